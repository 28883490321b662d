//! What happens in the demo, in order, with every outcome checked through the API of both.

use std::time::{Duration, Instant};

use betwixt_api::{
    AddressRequest, Bring, Client, ClientError, Collection, ConfirmPairing, EnterCode, Field, Item, NewItem, Pairing,
    ProblemKind, ProgressEntry, Purpose, Say, Scope, StartPairing,
};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::partner::Partner;
use crate::error::CommandError;
use crate::render::{Look, field};
use crate::terminal::Terminal;

/// How long an outcome may take to show on both sides.
const PATIENCE: Duration = Duration::from_secs(15);

const LOOK_AGAIN: Duration = Duration::from_millis(20);

const ROBINS_VISION: &str =
    "We live in a small house near the sea. We cook together most evenings. Friends are always welcome.";
const ROBINS_EDIT: &str =
    "We live in a small house near the sea, with a garden. We cook together most evenings. Friends are always welcome.";
const SAMS_EDIT: &str =
    "We live in a small house near the sea. We cook together most evenings. Friends and family are always welcome.";
const BOTH_EDITS: &str = "We live in a small house near the sea, with a garden. We cook together most evenings. Friends and family are always welcome.";
const SAMS_VISION: &str = "I would like us to travel for a year, one day. I have not told anybody yet.";
const ROBINS_DATE: &str = "2027-06-01";
const SAMS_DATE: &str = "2027-09-01";

/// Prints the story beside a line that shows what is being worked at.
pub(super) struct Teller {
    terminal: Terminal,
    progress: ProgressBar,
    patience: Duration,
}

impl Teller {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self { terminal, progress: terminal.progress(""), patience: PATIENCE }
    }

    /// The same, with less patience.
    #[cfg(test)]
    pub(super) fn hurried(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What goes on now.
    pub(super) fn working(&self, text: &str) {
        self.progress.set_message(text.to_owned());
    }

    /// Removes the line.
    pub(super) fn done(&self) {
        self.progress.finish_and_clear();
    }

    fn heading(&self, text: &str) -> Result<(), CommandError> {
        self.say(&format!("\n{}", self.terminal.style().bold(text)))
    }

    fn say(&self, text: &str) -> Result<(), CommandError> {
        if self.terminal.json() {
            return Ok(());
        }
        self.progress.suspend(|| self.terminal.print(text))
    }

    fn look(&self, partner: &str) -> Look {
        Look { partner: Some(partner.to_owned()), style: self.terminal.style(), width: None }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.done();
    }
}

pub(super) async fn tell(teller: &Teller, robin: &Partner, sam: &Partner) -> Result<(), CommandError> {
    alone(teller, robin, sam).await?;
    pair(teller, robin, sam).await?;
    let goal = bring(teller, robin, sam).await?;
    let milestone = milestone(teller, robin, sam, &goal).await?;
    apart(teller, robin, sam, &goal, &milestone).await?;
    meet(teller, robin, sam, &goal, &milestone).await?;
    settle(teller, robin, sam, &goal).await
}

async fn alone(teller: &Teller, robin: &Partner, sam: &Partner) -> Result<(), CommandError> {
    teller.heading("Each begins alone")?;
    for (partner, vision, goal) in
        [(robin, ROBINS_VISION, "Cycle along the coast"), (sam, SAMS_VISION, "Learn to bake bread")]
    {
        say_vision(partner.api(), None, vision).await?;
        let fields = [("title".to_owned(), json!(goal))].into();
        partner.api().create(Collection::Goals, goal, &NewItem { scope: None, fields }).await?;
        teller.say(&format!("  {} drafts a vision and names a goal: \"{goal}\".", partner.name()))?;
    }
    Ok(())
}

async fn pair(teller: &Teller, robin: &Partner, sam: &Partner) -> Result<(), CommandError> {
    teller.heading("They pair")?;
    teller.working("Pairing over QUIC on this machine");
    let offer = robin.api().pairing_start(&StartPairing { purpose: Purpose::Partner }).await?;
    let Pairing::Offering { qr, .. } = offer else {
        return Err(unexpected("Robin's daemon should show a code"));
    };
    // What a phone's camera would do: the text goes from one socket to the other, and is printed nowhere.
    let enter = EnterCode { code: qr, purpose: Purpose::Partner, addresses: vec![], recovery_code: None };
    sam.api().pairing_enter(&enter).await?;
    let (robins, sams) = tokio::try_join!(confirm(teller, robin), confirm(teller, sam))?;
    expect(robins == sam.name() && sams == robin.name(), "each should be asked about the other by name")?;
    teller.say("  Robin shows a code, Sam enters it, and each says yes to the other's name.")?;
    // Found by hand: this machine's loopback is no network that they would look for each other on.
    for (partner, other) in [(robin, sam), (sam, robin)] {
        if let Some(port) = other.api().status().await?.port {
            let request = AddressRequest { address: format!("127.0.0.1:{port}") };
            partner.api().address_add(&request).await?;
        }
    }
    teller.working("Meeting");
    in_step(teller, robin, sam).await
}

/// Follows pairing to its end, saying yes when asked; gives the name that was asked about.
async fn confirm(teller: &Teller, partner: &Partner) -> Result<String, CommandError> {
    let mut asked = None;
    let begun = Instant::now();
    while begun.elapsed() < teller.patience {
        match partner.api().pairing().await? {
            Pairing::Asking { name, .. } => {
                asked = Some(name);
                partner.api().pairing_confirm(&ConfirmPairing { yes: true, passphrase: None }).await?;
            }
            Pairing::Paired { partner, .. } => return Ok(asked.unwrap_or(partner.name)),
            Pairing::Failed { reason } => return Err(CommandError::Pairing { reason }),
            Pairing::Idle if partner.api().status().await?.paired => return Ok(asked.unwrap_or_default()),
            Pairing::Idle => return Err(CommandError::Pairing { reason: "pairing was ended".into() }),
            Pairing::Offering { .. } | Pairing::Searching { .. } | Pairing::AwaitingOther => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(unexpected("both should be paired by now"))
}

/// Brings over what each chooses; gives the id of the goal that they go on with.
async fn bring(teller: &Teller, robin: &Partner, sam: &Partner) -> Result<String, CommandError> {
    teller.heading("They share what they choose")?;
    expect(shared_goals(robin).await?.is_empty(), "pairing should share nothing by itself")?;
    robin.api().bring(&Bring::All).await?;
    let choices = sam.api().bring_choices().await?;
    let goals = choices.into_iter().map(|choice| choice.item).filter(|item| item.collection == Collection::Goals);
    sam.api().bring(&Bring::whole(goals.map(|item| item.id))).await?;
    teller.say("  Robin brings everything over. Sam brings the goal, and keeps the vision private.")?;

    teller.working("Merging");
    let mut found = None;
    eventually(teller, "both should see both goals and Robin's vision", async || {
        let (robins, sams) = (shared_goals(robin).await?, shared_goals(sam).await?);
        found = robins.iter().find(|item| held(item, "title") == Some(&json!("Cycle along the coast"))).cloned();
        Ok(robins.len() == 2
            && ids(&robins) == ids(&sams)
            && draft(sam, Some(Scope::Ours)).await?.held() == Some(&json!(ROBINS_VISION)))
    })
    .await?;
    let kept = draft(sam, Some(Scope::Mine)).await?;
    expect(kept.held() == Some(&json!(SAMS_VISION)), "Sam should still have a vision of their own")?;
    let seen = serde_json::to_string(&robin.api().vision(None).await?).unwrap_or_default();
    expect(!seen.contains("travel for a year"), "Robin's device should know nothing of it")?;
    teller.say("  Now both devices hold both goals and the shared draft; Sam's own draft never left Sam's device.")?;
    found.map(|goal| goal.id).ok_or_else(|| unexpected("the goal should be there"))
}

async fn milestone(teller: &Teller, robin: &Partner, sam: &Partner, goal: &str) -> Result<String, CommandError> {
    let measure = json!({ "type": "count", "target": 12, "unit": "rides" });
    let fields = [
        ("goal".to_owned(), json!(goal)),
        ("title".to_owned(), json!("Train together")),
        ("measure".to_owned(), measure),
    ];
    let new = NewItem { scope: Some(Scope::Ours), fields: fields.into() };
    let milestone = robin.api().create(Collection::Milestones, "milestone", &new).await?.id;
    eventually(teller, "Sam should see the milestone", async || {
        match sam.api().item(Collection::Milestones, &milestone).await {
            Ok(_) => Ok(true),
            Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    in_step(teller, robin, sam).await?;
    Ok(milestone)
}

async fn apart(
    teller: &Teller,
    robin: &Partner,
    sam: &Partner,
    goal: &str,
    milestone: &str,
) -> Result<(), CommandError> {
    teller.heading("They are apart, and both go on")?;
    teller.working("Going offline");
    tokio::try_join!(robin.api().pause(), sam.api().pause())?;
    eventually(teller, "neither should be connected", async || {
        Ok(!connected(robin.api()).await? && !connected(sam.api()).await?)
    })
    .await?;
    for (partner, edit, date, rides) in [(robin, ROBINS_EDIT, ROBINS_DATE, 2), (sam, SAMS_EDIT, SAMS_DATE, 3)] {
        say_vision(partner.api(), Some(Scope::Ours), edit).await?;
        let item = partner.api().item(Collection::Goals, goal).await?;
        let until = named(&item, "until")?;
        say(partner.api(), goal, "until", json!(date), until).await?;
        let entry = ProgressEntry { amount: rides, note: None };
        partner.api().progress(milestone, &format!("{}'s rides", partner.name()), &entry).await?;
        let sentence = if partner.name() == "Robin" { "first" } else { "last" };
        teller.say(&format!(
            "  {} changes the vision's {sentence} sentence, sets the goal's date to {}, and adds {rides} rides.",
            partner.name(),
            crate::values::show_date(date)
        ))?;
    }
    Ok(())
}

async fn meet(
    teller: &Teller,
    robin: &Partner,
    sam: &Partner,
    goal: &str,
    milestone: &str,
) -> Result<(), CommandError> {
    teller.heading("They meet again")?;
    teller.working("Meeting");
    tokio::try_join!(robin.api().resume(), sam.api().resume())?;
    eventually(teller, "what both said should have reached both", async || {
        let mut all = true;
        for partner in [robin, sam] {
            let item = partner.api().item(Collection::Goals, goal).await?;
            all &= named(&item, "until")?.differs()
                && draft(partner, Some(Scope::Ours)).await?.held() == Some(&json!(BOTH_EDITS))
                && partner
                    .api()
                    .item(Collection::Milestones, milestone)
                    .await?
                    .tally
                    .is_some_and(|tally| tally.sum == 5);
        }
        Ok(all)
    })
    .await?;
    teller.say(&format!("  Merged: the vision has both changes.\n    \"{BOTH_EDITS}\""))?;
    teller.say("  Merged: 2 and 3 rides are 5 of 12.")?;
    teller.say("  Different, and kept from both: the goal's date. Each sees their own first; neither wins.")?;
    for (partner, own, other) in [(robin, ROBINS_DATE, SAMS_DATE), (sam, SAMS_DATE, ROBINS_DATE)] {
        let item = partner.api().item(Collection::Goals, goal).await?;
        let until = named(&item, "until")?;
        let values: Vec<&Value> = until.versions().iter().map(|version| &version.value).collect();
        expect(values == [&json!(own), &json!(other)], "each should see both dates, their own first")?;
        let waits = partner.api().differences().await?;
        expect(
            waits.threads.len() == 1 && waits.threads[0].item.id == goal,
            "the date should be the one thing to settle",
        )?;
        let other = if partner.name() == "Robin" { "Sam" } else { "Robin" };
        let text = field::full(&teller.look(other), "until", until);
        teller.say(&crate::render::indent(&format!("On {}'s device:\n{}", partner.name(), text), 4))?;
    }
    Ok(())
}

async fn settle(teller: &Teller, robin: &Partner, sam: &Partner, goal: &str) -> Result<(), CommandError> {
    teller.heading("They settle it")?;
    teller.working("Settling");
    let item = robin.api().item(Collection::Goals, goal).await?;
    say(robin.api(), goal, "until", json!(SAMS_DATE), named(&item, "until")?).await?;
    eventually(teller, "both should hold the date that both said", async || {
        let mut all = true;
        for partner in [robin, sam] {
            let item = partner.api().item(Collection::Goals, goal).await?;
            all &= held(&item, "until") == Some(&json!(SAMS_DATE))
                && partner.api().differences().await?.threads.is_empty();
        }
        Ok(all)
    })
    .await?;
    for partner in [robin, sam] {
        let said = partner.api().timeline(goal).await?.events;
        let kept = said.iter().any(|entry| entry.field == "until" && entry.value == Some(json!(ROBINS_DATE)));
        expect(kept, "what Robin said before should stay in the goal's history")?;
    }
    teller.say("  They talk, and Robin says Sam's date, too. Both say the same now, so it holds on both devices;")?;
    teller.say("  what Robin had said before stays readable in the goal's history.")?;
    in_step(teller, robin, sam).await
}

async fn say_vision(api: &Client, scope: Option<Scope>, text: &str) -> Result<(), CommandError> {
    let vision = api.vision(scope).await?;
    let seen = named(&vision, "draft")?.seen.clone();
    api.say_vision(scope, "draft", &Say { value: json!(text), seen: Some(seen) }).await?;
    Ok(())
}

async fn say(api: &Client, goal: &str, name: &str, value: Value, field: &Field) -> Result<(), CommandError> {
    api.say(Collection::Goals, goal, name, &Say { value, seen: Some(field.seen.clone()) }).await?;
    Ok(())
}

async fn shared_goals(partner: &Partner) -> Result<Vec<Item>, CommandError> {
    Ok(partner.api().items(Collection::Goals, Some(Scope::Ours)).await?)
}

async fn draft(partner: &Partner, scope: Option<Scope>) -> Result<Field, CommandError> {
    let vision = partner.api().vision(scope).await?;
    named(&vision, "draft").cloned()
}

fn named<'a>(item: &'a Item, name: &str) -> Result<&'a Field, CommandError> {
    item.fields.get(name).ok_or_else(|| unexpected(&format!("there should be a field `{name}`")))
}

fn held<'a>(item: &'a Item, name: &str) -> Option<&'a Value> {
    item.fields.get(name).and_then(Field::held)
}

fn ids(items: &[Item]) -> Vec<&str> {
    let mut ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

async fn connected(api: &Client) -> Result<bool, CommandError> {
    Ok(api.status().await?.peers.iter().any(|peer| peer.connected))
}

async fn in_step(teller: &Teller, robin: &Partner, sam: &Partner) -> Result<(), CommandError> {
    eventually(teller, "both should be connected and have the same", async || {
        let mut all = true;
        for partner in [robin, sam] {
            let peers = partner.api().status().await?.peers;
            all &= !peers.is_empty() && peers.iter().all(|peer| peer.connected && peer.in_step);
        }
        Ok(all)
    })
    .await
}

/// Looks again and again until it is so.
async fn eventually(
    teller: &Teller,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let begun = Instant::now();
    while !look().await? {
        if begun.elapsed() > teller.patience {
            return Err(unexpected(what));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

fn expect(so: bool, what: &str) -> Result<(), CommandError> {
    if so { Ok(()) } else { Err(unexpected(what)) }
}

fn unexpected(what: &str) -> CommandError {
    CommandError::Found { what: format!("the demo did not go as it should: {what}") }
}
