/** Guards with one mistake each, in the rounds that the kit's own guard stands: each breaks an invariant. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { CLAIMS } from "../support/guard-claims.ts";
import { type Deployment, DEPLOYMENTS } from "../support/guard-deployments.ts";
import type { Invariant } from "../support/guard-look.ts";
import {
  claimsFirst,
  claimsInTwo,
  deletesSet,
  type Mutate,
  naive,
  savesBlindly,
  swapsBlindly,
} from "../support/guard-mutants.ts";
import { runRounds } from "../support/guard-rounds.ts";

const ROUNDS = 300;
const SEED = 1;

/** With the round to begin with: shortly before the first that shows the mistake, where that is a later one. */
const MUTANTS: readonly [string, Mutate, Invariant, number][] = [
  ["that claims by SMEMBERS, DEL and SADD", naive, "I1", 0],
  ["that lets a session in before it takes the others out", claimsInTwo, "I1", 0],
  ["that claims before it stores", claimsFirst, "I5", 0],
  ["whose logout deletes the Set", deletesSet, "I4", 70],
  ["whose save writes over a session that was ended", savesBlindly, "I3", 43],
  ["whose regenerate asks for no membership", swapsBlindly, "I1", 0],
];

describe.each([
  ["in memory", "memory"],
  ["on one server", "redis"],
  ["on a Cluster", "cluster"],
] as const)("%s, a guard", (_where, kind) => {
  let deployment: Deployment;
  beforeAll(async () => {
    deployment = await DEPLOYMENTS[kind]();
  }, 60_000);
  afterAll(() => deployment.stop());

  it.each(MUTANTS)(
    "%s is caught",
    async (_mistake, mutate, invariant, first) => {
      const options = { rounds: ROUNDS, seed: SEED, first, mutate, until: invariant };
      const report = await runRounds(deployment.place, options);
      const against = CLAIMS.get(invariant)!.against(report);
      expect(against).not.toEqual([]);
      expect(against[0]).toContain(`${invariant}, seed ${SEED}, round `);
    },
    60_000,
  );
});
