import { findPackageJSON } from "node:module";

/**
 * Imports the very copy of a package that one of ours uses, so that the limit stands on the same code as we do. Refuses where
 * npm has installed two: then the comparison would be between versions.
 */
export async function importSameCopy<Module>(owner: string, name: string): Promise<Module> {
  const theirs = findPackageJSON(name, import.meta.resolve(owner));
  if (theirs === undefined || theirs !== findPackageJSON(name, import.meta.url)) {
    throw new Error(`${owner} uses another copy of ${name} than the benchmarks would get.`);
  }
  return (await import(name)) as Module;
}
