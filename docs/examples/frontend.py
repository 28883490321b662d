"""A frontend in Python's standard library, over the Unix socket: lists goals, adds one, changes its title, sees it change.

    python3 docs/examples/frontend.py ~/.local/share/betwixt/api.sock
"""
import http.client, json, socket, sys, uuid


class Daemon(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None, **headers):
        text = None if body is None else json.dumps(body)
        self.request(method, path, text, {"Content-Type": "application/json", **headers})
        answer = self.getresponse()
        said = json.loads(answer.read())
        if answer.status >= 400:
            sys.exit(f"{said['title']}: {said['detail']}")
        return said


daemon, notices = Daemon(sys.argv[1]), Daemon(sys.argv[1])
notices.request("GET", "/v1/events")
stream = notices.getresponse()

# A key makes it harmless to send the request again.
key = {"Idempotency-Key": str(uuid.uuid4())}
goal = daemon.ask("POST", "/v1/goals", {"fields": {"title": "Plant a tree"}}, **key)
seen = goal["fields"]["title"]["seen"]
daemon.ask("PUT", f"/v1/goals/{goal['id']}/title", {"value": "Plant two trees", "seen": seen})

for goal in daemon.ask("GET", "/v1/goals?order=latest&limit=5")["items"]:
    title = goal["fields"]["title"]
    print("goal:", title["value"] if title["state"] == "held" else "to settle")

for line in stream:
    if line.startswith(b"data:"):
        print("changed:", json.loads(line[5:])["kind"])
        break
