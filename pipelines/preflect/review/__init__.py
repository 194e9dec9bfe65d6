"""Review by people: which samples they are asked about, how they are asked, and what their answers decide."""
