/** The guard's invariants in random interleavings of all that sessions can go through, with crashes. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { CLAIMS } from "../support/guard-claims.ts";
import { type Deployment, DEPLOYMENTS } from "../support/guard-deployments.ts";
import { type Report, runRounds, told } from "../support/guard-rounds.ts";

const SEED = 1;

describe.each([
  ["in memory", "memory", 200],
  ["on one server", "redis", 400],
  ["on a Cluster", "cluster", 150],
] as const)("one session a user, %s", (_where, kind, rounds) => {
  let deployment: Deployment;
  let report: Report;
  beforeAll(async () => {
    deployment = await DEPLOYMENTS[kind]();
    report = await runRounds(deployment.place, { rounds, seed: SEED });
  }, 240_000);
  afterAll(() => deployment.stop());

  it.each([...CLAIMS.values()].map((claim) => [claim.name, claim] as const))("%s", (_, claim) => {
    expect(claim.against(report)).toEqual([]);
  });

  it("holds in as many rounds as were asked for, seen at more instants than there were rounds", () => {
    expect(report).toMatchObject({ rounds, most: 1 });
    expect(report.samples).toBeGreaterThan(rounds);
    expect(report.steps).toBeGreaterThan(10 * rounds);
    expect(report.crashes).toBeGreaterThan(rounds / 10);
  });

  if (kind === "cluster")
    it("I9: all of it holds with the keys in different slots", () => {
      expect(told(report)).toEqual([]);
      expect(report.slots).toBeGreaterThan(3);
    });
});
