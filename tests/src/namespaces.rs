//! Machines on one network, as network namespaces of this one, with virtual cables to a switch between them.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Which of the two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one whose address ends in 1.
    Left,
    /// The one whose address ends in 2.
    Right,
}

/// Which network the machines are in: the addresses differ and with them the gateway, so a device takes them for two.
/// All are for documentation (RFC 5737), so nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// 192.0.2.0/24
    Home,
    /// 198.51.100.0/24
    Elsewhere,
}

/// A switch, and machines that are joined to it: network namespaces, each with a veth pair to a bridge in one of its own. All are
/// removed when the value is dropped.
#[derive(Debug)]
pub struct Lan {
    machines: Vec<String>,
    switch: String,
}

impl Lan {
    /// A switch with so many machines, at 192.0.2.1 and so on, each with the first as its gateway (and that one with the second).
    ///
    /// # Errors
    /// When `ip` fails; needs [`betwixt_testkit::needs::Need::NetworkNamespaces`].
    pub fn of(machines: usize) -> anyhow::Result<Self> {
        let lan = Self::new(machines)?;
        for machine in 0..machines {
            ip(&["-n", lan.name(machine), "address", "add", &format!("{}/24", Self::address(machine)), "dev", "eth0"])?;
            let gateway = if machine == 0 { 1 } else { 0 };
            lan.set_link(machine, Some(&Self::address(gateway)))?;
        }
        Ok(lan)
    }

    /// The machines without addresses, and with their links down. Each has a loopback interface; duplicate address detection is
    /// off, so that IPv6 addresses work at once. The system draws new hardware addresses.
    fn new(machines: usize) -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let names = (0..machines).map(|machine| format!("bx-{serial}-{machine}")).collect();
        let lan = Self { machines: names, switch: format!("bx-{serial}-s") };
        let switch = &lan.switch;
        ip(&["netns", "add", switch])?;
        ip(&["-n", switch, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["-n", switch, "link", "set", "bridge", "up"])?;
        for (machine, name) in lan.machines.iter().enumerate() {
            ip(&["netns", "add", name])?;
            set(name, "net.ipv6.conf.default.accept_dad", "0")?;
            let port = port(machine);
            ip(&["-n", switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name])?;
            ip(&["-n", switch, "link", "set", &port, "master", "bridge", "up"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(lan)
    }

    /// A machine's address.
    pub fn address(machine: usize) -> String {
        format!("192.0.2.{}", machine + 1)
    }

    /// A machine's namespace, for `ip netns exec`.
    pub fn name(&self, machine: usize) -> &str {
        &self.machines[machine]
    }

    /// The namespace of the switch, through whose interface `bridge` everything goes.
    pub fn switch(&self) -> &str {
        &self.switch
    }

    /// Runs something on a thread of its own that is on a machine: sockets made in it are, too.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn inside<T: Send>(&self, machine: usize, run: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        inside(self.name(machine), run)
    }

    /// Takes a machine's link down, or up with its routes by this gateway.
    fn set_link(&self, machine: usize, gateway: Option<&str>) -> anyhow::Result<()> {
        let name = self.name(machine);
        ip(&["-n", name, "link", "set", "eth0", if gateway.is_some() { "up" } else { "down" }])?;
        if let Some(gateway) = gateway {
            // Routes go with the link.
            ip(&["-n", name, "route", "replace", "224.0.0.0/4", "dev", "eth0"])?;
            ip(&["-n", name, "route", "replace", "default", "via", gateway])?;
        }
        Ok(())
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in self.machines.iter().chain([&self.switch]) {
            let _ = Command::new("ip").args(["netns", "delete", name]).stderr(Stdio::null()).status();
        }
    }
}

/// The switch's port to a machine.
fn port(machine: usize) -> String {
    format!("port{machine}")
}

/// Two machines on a switch that can be unplugged, and taken to another network.
#[derive(Debug)]
pub struct Cable {
    lan: Lan,
    place: Place,
}

impl Cable {
    /// A cable in the usual network, see [`Cable::plug_in`].
    ///
    /// # Errors
    /// As there.
    pub fn plug() -> anyhow::Result<Self> {
        Self::plug_in(Place::Home)
    }

    /// Makes both machines and plugs the cable in. Each has an IPv4 address on the cable, a route for multicast, and the other
    /// side as its gateway.
    ///
    /// # Errors
    /// When `ip` fails; needs [`betwixt_testkit::needs::Need::NetworkNamespaces`].
    pub fn plug_in(place: Place) -> anyhow::Result<Self> {
        let cable = Self { lan: Lan::new(2)?, place };
        for side in [Side::Left, Side::Right] {
            let name = cable.name(side);
            ip(&["-n", name, "address", "add", &format!("{}/24", cable.address(side)), "dev", "eth0"])?;
            cable.set_link(side, true)?;
        }
        Ok(cable)
    }

    /// Takes both machines to another network, as they run: the cable is out meanwhile, and the addresses are others.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn carry_to(&mut self, place: Place) -> anyhow::Result<()> {
        self.set_plugged(false)?;
        self.place = place;
        for side in [Side::Left, Side::Right] {
            let name = self.name(side);
            ip(&["-n", name, "-4", "address", "flush", "dev", "eth0"])?;
            ip(&["-n", name, "address", "add", &format!("{}/24", self.address(side)), "dev", "eth0"])?;
        }
        self.set_plugged(true)
    }

    /// The machine's address on the cable.
    pub const fn address(&self, side: Side) -> &'static str {
        match (self.place, side) {
            (Place::Home, Side::Left) => "192.0.2.1",
            (Place::Home, Side::Right) => "192.0.2.2",
            (Place::Elsewhere, Side::Left) => "198.51.100.1",
            (Place::Elsewhere, Side::Right) => "198.51.100.2",
        }
    }

    /// The namespace's name, for `ip netns exec`.
    pub fn name(&self, side: Side) -> &str {
        self.lan.name(side as usize)
    }

    /// A command that runs on one of the machines.
    pub fn command(&self, side: Side, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name(side), program]);
        command
    }

    /// Takes the cable out (both ends go down), or puts it back in with its routes.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn set_plugged(&self, plugged: bool) -> anyhow::Result<()> {
        self.set_link(Side::Left, plugged)?;
        self.set_link(Side::Right, plugged)
    }

    fn set_link(&self, side: Side, up: bool) -> anyhow::Result<()> {
        self.lan.set_link(side as usize, up.then(|| self.address(side.other())))
    }

    /// Lets no multicast through, as guest networks and some access points do. Each machine can still send it and hears
    /// itself: only the switch does not pass it on. IPv6 neighbours are found by multicast, so IPv6 stops, too.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn block_multicast(&self) -> anyhow::Result<()> {
        for side in [Side::Left, Side::Right] {
            let port = port(side as usize);
            ip(&["-n", self.lan.switch(), "link", "set", &port, "type", "bridge_slave", "mcast_flood", "off"])?;
        }
        Ok(())
    }

    /// Lets nothing through that is for one machine alone, as access points with isolation do; what is for all still passes.
    /// Multicast of IPv4 goes on, and with it discovery.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn isolate(&self) -> anyhow::Result<()> {
        for side in [Side::Left, Side::Right] {
            let port = port(side as usize);
            // A switch that does not know where anybody is passes nothing to them but what it floods.
            let switch = ["-n", self.lan.switch(), "link", "set", &port, "type", "bridge_slave"];
            ip(&[&switch[..], &["learning", "off", "flood", "off", "fdb_flush"]].concat())?;
        }
        Ok(())
    }

    /// Runs `ip` with these arguments for one of the machines.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub fn configure(&self, side: Side, arguments: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-n", self.name(side)], arguments].concat())
    }

    /// Runs something on a thread of its own that is on this machine: sockets made in it are, too.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn inside<T: Send>(&self, side: Side, run: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        inside(self.name(side), run)
    }
}

impl Side {
    /// The other machine.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

fn inside<T: Send>(name: &str, run: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let namespace = File::open(format!("/run/netns/{name}"))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            anyhow::Ok(run())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
    .with_context(|| format!("namespace {name} cannot be entered"))
}

fn set(name: &str, key: &str, value: &str) -> anyhow::Result<()> {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    inside(name, || std::fs::write(&path, value))?.with_context(|| format!("{path} cannot be written"))
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output().context("`ip` does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`ip {}` says: {}", arguments.join(" "), said.trim());
    Ok(())
}
