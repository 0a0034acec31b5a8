import { createRequire } from "node:module";

const peersOf = createRequire(new URL("../peers/package.json", import.meta.url));

/** Loads a peer. Its types are not there where peers are not installed, so the caller says which part of it it uses. */
export const loadPeer = <Module>(name: string): Module => peersOf(name) as Module;
