/** The services that wait and ask. */
export const sleepingServices = [
  "ai",
  "business",
  "core",
  "execution",
  "hex",
  "infra",
  "interface",
  "security",
  "storage",
  "swarm",
] as const;

/** The services of the reference system. Three of them compute. */
export const thirteen = [...sleepingServices, "architecture", "ml", "tools"] as const;
