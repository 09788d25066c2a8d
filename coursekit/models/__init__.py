"""Networks: pretrained bodies with a new head, and the small bundled backbone."""
