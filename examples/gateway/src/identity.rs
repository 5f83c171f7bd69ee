//! Who may use the gateway: its own keys, JSON web tokens, a Coder deployment.
