"""
Edits as the API, the command line and the producer offer them: of messages, and of a selected campaign.

A text for a whole campaign, or for the batch of a run that is not over, is
the campaign's text: recipients without a message and later runs get it too.
"""

from dataclasses import replace

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.edit import Change, EditReport, NewText, Selection
from dispatcher.service.campaigns import text as campaign_text
from dispatcher.service.context import Context
from dispatcher.service.messages import edits
from dispatcher.service.submissions import templates
from dispatcher.store.campaigns import texts
from dispatcher.store.campaigns.texts import SelectedCampaign


async def edit(ctx: Context, selection: Selection, change: Change, *, dry_run: bool = False) -> EditReport:
    """
    Change the selected messages, or the text of the selected campaign; with `dry_run` only count.

    Raises what `messages.edits.edit` and `text.change` do.
    """
    resolved = await edits.resolve(ctx, selection)
    campaign: SelectedCampaign | None = None
    if resolved.campaign_id is not None or resolved.batch_id is not None:
        campaign = await ctx.database.single(
            lambda c: texts.selected_campaign(c, campaign_id=resolved.campaign_id, batch_id=resolved.batch_id)
        )
    if campaign is None:
        return await edits.edit(ctx, selection, change, dry_run=dry_run)
    if isinstance(change, NewText) and selection.is_whole:
        return await campaign_text.change(ctx, campaign.id, change, dry_run=dry_run)
    edited = await edits.edit(ctx, selection, change, dry_run=dry_run)
    return replace(edited, not_reached=campaign.without_message)


async def change_text(
    ctx: Context,
    account: Account,
    campaign: str,
    *,
    text: str | None = None,
    template_id: str | None = None,
    dry_run: bool = False,
) -> EditReport:
    """
    Change the text of a campaign, named as in a selection, to `text` or to that of a template.

    Raises what `edit` does, NotFound for an unknown template, and Invalid
    unless there is either a text or a template.
    """
    if (text is None) == (template_id is None):
        raise Invalid("give the new text, or the template that has it: one of them")
    if template_id is not None:
        text = (await templates.find(ctx, account, template_id)).text
    return await edit(ctx, Selection(account, campaign=campaign), NewText(text or ""), dry_run=dry_run)
