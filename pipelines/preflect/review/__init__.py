"""Review by people: what they are asked, what comes back, and the Argilla that preflect starts for them."""
