//! What happened in a run.

/// How often things happened that a run should contain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Facts said and acknowledged.
    pub said: u64,
    /// Sayings that the model refused, such as into a field that is still arriving.
    pub refused: u64,
    /// Commits.
    pub commits: u64,
    /// Crashes.
    pub crashes: u64,
    /// Crashes in the middle of a commit.
    pub in_commit: u64,
    /// Facts that a crash left durable although nobody was told.
    pub untold: u64,
    /// Stages that the disk refused.
    pub refused_by_disk: u64,
    /// Compactions.
    pub compacted: u64,
    /// Homes that were put back to an earlier copy.
    pub restored: u64,
    /// Sessions that ended because the other side broke the rules.
    pub broken: u64,
    /// Sessions that ended because nothing came any more, though the connection stood.
    pub stalled: u64,
    /// How often a device learned that one of the household runs twice.
    pub run_twice: u64,
    /// Keys and facts that came and have no meaning.
    pub meaningless: u64,
    /// Values that chapters erase.
    pub erased: u64,
    /// Sealed answers that are open, on the device that shows the most.
    pub opened: u64,
    /// Files that came from another device and are whole.
    pub files: u64,
    /// How often a device began to show what another told it of the present.
    pub presents: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            said,
            refused,
            commits,
            crashes,
            in_commit,
            untold,
            refused_by_disk,
            compacted,
            restored,
            broken,
            stalled,
            run_twice,
            meaningless,
            erased,
            opened,
            files,
            presents,
        } = other;
        self.said += said;
        self.refused += refused;
        self.commits += commits;
        self.crashes += crashes;
        self.in_commit += in_commit;
        self.untold += untold;
        self.refused_by_disk += refused_by_disk;
        self.compacted += compacted;
        self.restored += restored;
        self.broken += broken;
        self.stalled += stalled;
        self.run_twice += run_twice;
        self.meaningless += meaningless;
        self.erased += erased;
        self.opened += opened;
        self.files += files;
        self.presents += presents;
    }
}
