"""After the schedule: packs or folders become stores, stores become samples, samples become batches."""
