//! New chapters.

use betwixt_api::ChapterRequest;

use crate::arguments::Chapter;
use crate::error::CommandError;
use crate::home::Opened;
use crate::render::chapter;

pub(super) async fn run(opened: &Opened, command: Chapter) -> Result<(), CommandError> {
    let chapters = match command {
        Chapter::Show => opened.client.chapters().await?,
        Chapter::Propose { erase } => opened.client.chapter_propose(&ChapterRequest { erase }).await?,
        Chapter::Agree { yes } => {
            if opened.terminal.asks() && !yes {
                let before = opened.client.chapters().await?;
                let question = chapter::question(&opened.look(), &before);
                if !opened.terminal.confirm(&question)? {
                    return Err(CommandError::Value { what: "nothing was agreed".into() });
                }
            }
            opened.client.chapter_agree().await?
        }
        Chapter::Withdraw => opened.client.chapter_withdraw().await?,
    };
    opened.terminal.result(&chapters, || chapter::chapters(&opened.look(), &chapters))
}
