"""Objects that outlive a request or a generation: leases, the pool of shared objects, token counts, the GC policy."""
