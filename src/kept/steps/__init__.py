"""The steps of the flow, one file each: gather, decide, effect. A step returns outcomes and keeps nothing."""
