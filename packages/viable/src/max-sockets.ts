/** Sockets that a gateway may be given at most: at rest they take half a gigabyte, and most of a core to look after. More belong to several gateways. */
export const maxSockets = 100_000;
