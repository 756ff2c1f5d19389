/** The guard's invariants in random interleavings, where a user may have several sessions. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { CLAIMS, REFUSAL } from "../support/guard-claims.ts";
import { type Deployment, DEPLOYMENTS } from "../support/guard-deployments.ts";
import { type Report, runRounds, told } from "../support/guard-rounds.ts";

const SEED = 2;

describe.each([
  ["in memory", "memory", 50],
  ["on one server", "redis", 60],
  ["on a Cluster", "cluster", 25],
] as const)("%s", (_where, kind, rounds) => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await DEPLOYMENTS[kind]();
  }, 60_000);
  afterAll(() => deployment.stop());

  describe.each([
    [{ concurrent: 3, whenFull: "end-oldest" }],
    [{ concurrent: 2, whenFull: "refuse" }],
    [{ concurrent: 1, whenFull: "refuse" }],
  ] as const)("%j", (room) => {
    let report: Report;
    beforeAll(async () => {
      report = await runRounds(deployment.place, { rounds, seed: SEED, room });
    }, 120_000);

    it.each([...CLAIMS.values()].map((claim) => [claim.name, claim] as const))("%s", (_, claim) => {
      expect(claim.against(report)).toEqual([]);
    });

    it("comes to as many sessions as allowed, and to no more", () => {
      expect(report.most).toBe(room.concurrent);
      expect(told(report)).toEqual([]);
    });

    if (room.whenFull === "refuse")
      it.each([[REFUSAL.name, REFUSAL]] as const)("%s", (_, claim) => {
        expect(claim.against(report)).toEqual([]);
      });
  });
});
