"""Review by people: what they are asked, what their answers decide, and the Argilla that preflect starts for them."""
