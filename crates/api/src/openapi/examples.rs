//! The ids that examples use. Whoever performs an example puts ids of their own in their place.

/// A goal.
pub const GOAL: &str = "k3j4u2m5tqzv6w7ahxbn2c4dpe5f3g6ir7s2lyoaqwkzmxbvtn4u";
/// A milestone of it.
pub const MILESTONE: &str = "m5ile2stn7oq3w4rtyuiop6asdfghj2klzxcvbnm4qwe5rtyuiop";
/// A private goal that is not brought over yet.
pub const PRIVATE_GOAL: &str = "p2rivat7goalq4wertyu3iopasdf6ghjklzx5cvbnmqw2ertyuio";
/// A value.
pub const VALUE: &str = "v4alueq2wertyuiop3asdfgh6jklzxcv7bnmqwer5tyuiopasdfg";
/// A ritual.
pub const RITUAL: &str = "r3itualq5wertyui2opasdfg7hjklzxc4vbnmqwe6rtyuiopasdf";
/// A sealed question.
pub const QUESTION: &str = "q6uestion2wertyu4iopasdf3ghjklzx7cvbnmqw5ertyuiopasd";
/// A photo.
pub const PHOTO: &str = "a4ttachm3entqwert7yuiopasdf2ghjklzx5cvbnmqw6ertyuiop";
/// The first version of the goal's title.
pub const FACT: &str = "f2actqwe4rtyuiop6asdfghj3klzxcvb5nmqwert7yuiopasdfgh";
/// The version after it.
pub const LATER_FACT: &str = "l7aterfa3ctqwert5yuiopas2dfghjkl4zxcvbnm6qwertyuiopa";
/// One version of a field that differs.
pub const OWN_VERSION: &str = "o3wnversi5onqwert2yuiopas4dfghjk7lzxcvbn6mqwertyuiop";
/// The other.
pub const OTHER_VERSION: &str = "t4heirver2sionqwe6rtyuiop3asdfgh5jklzxcv7bnmqwertyui";
/// The date on which an occurrence of the ritual takes place.
pub const OCCURRENCE: &str = "2027-01-03";
/// A year in which something was said.
pub const YEAR: &str = "2027";
/// The code that a frontend shows.
pub const FRONTEND_CODE: &str = "k7m2-p4qx";
/// What that frontend asks with whether it was approved.
pub const FRONTEND_SECRET: &str = "the secret of the request";
/// The code in the fragment of a page's address.
pub const LOGIN_CODE: &str = "the code of the fragment";
/// The passphrase.
pub const PASSPHRASE: &str = "a lantern in the window";
/// The recovery code.
pub const RECOVERY_CODE: &str = "7K3M-Q9TB-W2XR-5HDN-8FCV-J4PY-6ZGE";
/// A way to open the home.
pub const WAY: &str = "w5ayq2wertyuiop3asdfghjklz";
