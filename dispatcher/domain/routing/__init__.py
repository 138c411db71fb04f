"""Which provider may carry a message: routes, breakers, and operators' overrides."""
