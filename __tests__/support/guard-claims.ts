/** What must hold of rounds, by name: the same for the kit's guard and for guards with a mistake. */
import { type Invariant } from "./guard-look.ts";
import { type Report, told } from "./guard-rounds.ts";

/** One invariant, as a test says it. */
export interface Claim {
  readonly name: string;
  /** What speaks against it; nothing where it holds. */
  against(report: Report): string[];
}

/** Rounds that never came to what a claim is about prove nothing. */
function of(
  invariant: Invariant,
  text: string,
  isTried: (report: Report) => boolean,
): [Invariant, Claim] {
  const against = (report: Report): string[] => {
    const found = told(report, invariant);
    return found.length > 0 || isTried(report) ? found : [`${invariant} was not tried`];
  };
  return [invariant, { name: `${invariant}: ${text}`, against }];
}

/** I1 to I8. */
export const CLAIMS: ReadonlyMap<Invariant, Claim> = new Map([
  of(
    "I1",
    "a user has at most as many valid sessions as allowed, at every instant",
    ({ samples, steps, most }) => samples > 0 && steps > 0 && most > 0,
  ),
  of("I2", "the last claim wins", ({ logins, rounds }) => logins > rounds),
  of("I3", "an ended id never comes back", ({ requests, rounds }) => requests > 5 * rounds),
  of("I4", "ending one session hurts no other", ({ requests, rounds }) => requests > 5 * rounds),
  of("I5", "I1 holds when a process dies after any step", ({ crashes }) => crashes > 0),
  of("I6", "a stale member never blocks a login", ({ staleLogins }) => staleLogins > 0),
  of("I7", "every key has a time to live", ({ keys }) => keys > 0),
  of("I8", "no Set, no access", ({ setlessReads }) => setlessReads > 0),
]);

/** The further one of `whenFull: 'refuse'`. */
export const REFUSAL: Claim = {
  name: "a login is refused beside as many live sessions as allowed, ends none, and nobody else's is refused",
  against: (report) => (report.refusals > 0 ? told(report, "limit") : ["nobody was refused"]),
};
