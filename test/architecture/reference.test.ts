// The reference of reactors is complete: every command, error code, event and status that there is, and none that is not.
import { awaitedEvents, runEvents, runStatus } from "@viable/protocol";
import { describe, expect, it } from "vitest";
import { checkReference, findNames, reference } from "./reference.ts";
import { plant, readText, readTree } from "./tree.ts";

const tree = readTree();
const events = new Set([...Object.keys(runEvents), ...Object.keys(awaitedEvents)]);

describe("the reference of reactors names what there is", () => {
  it("holds here", () => {
    expect(checkReference(tree, events)).toEqual([]);
    expect(runStatus.options.filter((status) => !readText(tree, reference.path).includes(`| \`${status}\` |`))).toEqual(
      [],
    );
    expect(findNames(tree).size).toBeGreaterThan(40);
  });

  it("refuses a code that it does not name, and one that it names and nobody makes", () => {
    const made = plant(tree, { "packages/reactors/src/planted.ts": 'new ViableError("reactor.planted", "no")' });
    expect(checkReference(made, events)).toEqual([expect.stringMatching(/does not name reactor.planted/)]);
    const named = plant(tree, { [reference.path]: `${readText(tree, reference.path)}\n\`reactor.planted\`` });
    expect(checkReference(named, events)).toEqual([expect.stringMatching(/names reactor.planted, which is nowhere/)]);
  });
});
