import { eventsAndRecords } from "./0001-events-and-records.ts";
import { appendEvents } from "./0002-append-events.ts";

/** All migrations in order: the first brings a database to version 1, and so on. They are only ever added to. */
export const migrations: readonly string[] = [eventsAndRecords, appendEvents];
