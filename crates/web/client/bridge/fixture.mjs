// Writes what the published packages send, a name and hexadecimal a line:
// node bridge/fixture.mjs > ../../daemon/src/bridge/fixture.txt
import { cbor } from "@automerge/automerge-repo";
const show = (name, message) => console.log(`${name} ${Buffer.from(cbor.encode(message)).toString("hex")}`);
const peers = { senderId: "peer-abcdefgh", targetId: "betwixt-1" };
const documentId = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";
show("join", { type: "join", senderId: "peer-abcdefgh", peerMetadata: { storageId: undefined, isEphemeral: true }, supportedProtocolVersions: ["1"] });
show("join-later-version", { type: "join", senderId: "peer-abcdefgh", peerMetadata: {}, supportedProtocolVersions: ["2"] });
show("request", { type: "request", ...peers, documentId, data: new Uint8Array([0x42, 0, 0, 0, 0]) });
show("sync", { type: "sync", targetId: "betwixt-1", data: new Uint8Array(300).fill(7), documentId, senderId: "peer-abcdefgh" });
show("sync-empty", { type: "sync", ...peers, documentId, data: new Uint8Array() });
show("unavailable", { type: "doc-unavailable", ...peers, documentId });
show("ephemeral", { type: "ephemeral", ...peers, documentId, data: new Uint8Array([1]), count: 4294967296 * 2, sessionId: "abc" });
show("subscribe", { type: "remote-subscription-change", ...peers, add: ["a-b-c"], remove: undefined });
show("heads", { type: "remote-heads-changed", ...peers, documentId, newHeads: { "storage-id": { heads: ["abc"], timestamp: 1795812345678.5 } } });
show("unknown", { type: "something-new", ...peers, nested: [{ deep: [1, 2.5, null, true, -7, new Date(0)] }] });
