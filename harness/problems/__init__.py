"""What searches are asked to solve: trained models, or tables that others measured."""
