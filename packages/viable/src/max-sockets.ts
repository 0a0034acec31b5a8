/** Sockets that a gateway may be given at most: at rest they take 2.5 GB. More belong to several gateways. */
export const maxSockets = 100_000;
