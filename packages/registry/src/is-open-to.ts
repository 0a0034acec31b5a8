/** Whether a tenant may know of a swarm, or of a service and what it offers, and use it (W11). Who says of no tenant that it asks sees what is open to all. */
export const isOpenTo = (
  { tenants }: { readonly tenants?: readonly string[] | undefined },
  tenant: string | undefined,
): boolean => tenants === undefined || (tenant !== undefined && tenants.includes(tenant));
