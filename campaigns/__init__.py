"""What is searched: one module a campaign. ``registry`` finds one by name; ``ensemble_search`` is what they share.

They keep the protocol of ``scoutbee.contracts.campaign``; ``docs/writing-a-campaign.md`` shows how to add one.
"""
