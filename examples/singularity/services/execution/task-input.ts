import { z } from "zod";

/** As the swarm names capabilities: words, and after a dot an operation. */
export const capabilityInput = z.string().min(1).max(200).describe("Which capability is asked");

/** Arguments come as JSON and are checked by whoever they are for. */
export const argsInput = z.record(z.string(), z.unknown()).default({}).describe("Its arguments, as a JSON object");
