"""SAP Business One by its Service Layer v2 (OData v4). Names are those of the Service Layer 1.27."""
