/** Lets a stored session into its user's Set, and ends those that have to make room for it. */
import { type Context, reporter } from "../../context.ts";
import { setContended, sessionLimit } from "../failures.ts";
import type { Fence, Leaving } from "./fence.ts";
import { membersOf } from "./members.ts";
import type { UserOf } from "../records/record.ts";
import { type Records } from "../records/records.ts";

/** How many sessions a user may have, and what happens where there are as many. */
export interface Room {
  readonly userOf: UserOf;
  /** Most live sessions of a user; 0 for any number. */
  readonly concurrent: number;
  readonly whenFull: "end-oldest" | "refuse";
}

/** Rounds in which other logins of the same user came first, after which a login gives up. */
const MOST_ROUNDS = 16;

/** Signs sessions in. Made by {@link createAdmission}. */
export interface Admission {
  /**
   * Signs in a session that was stored before. Once this resolves it is valid; what is left of the
   * others is cleaned up while the caller goes on.
   *
   * @param ownFormerId needs no tombstone: its client holds the new id
   * @throws KitError `SESSION_LIMIT`, and what the connection throws
   */
  admit(user: string, id: string, ownFormerId?: string, isAdopted?: true): Promise<void>;
}

/** Makes the {@link Admission} of one kit. */
export function createAdmission(
  context: Context,
  fence: Fence,
  records: Records,
  { concurrent, whenFull, userOf }: Room,
): Admission {
  const report = reporter(context);

  /** Who may go for a session to come in. Its own former self always may. */
  const leavingFor = async (user: string, id: string, former?: string): Promise<Leaving> => {
    const { stale, live } = await membersOf(fence, records, userOf, user);
    const others = live
      .map((member) => member.id)
      .filter((other) => other !== id && other !== former);
    if (former !== undefined) stale.push(former);
    if (whenFull === "end-oldest") return { stale, victims: others };
    if (others.length >= concurrent) throw sessionLimit(concurrent);
    return { stale, victims: [] };
  };

  /** Reads whom to end, and lets the script end just enough of them; again, where others came in meanwhile. */
  const join = async (user: string, id: string, former?: string): Promise<readonly string[]> => {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      // eslint-disable-next-line no-await-in-loop -- each round looks at what the others left
      const leaving = await leavingFor(user, id, former);
      // eslint-disable-next-line no-await-in-loop
      const ended = await fence.join(user, id, concurrent, leaving);
      if (ended) return ended;
    }
    throw setContended(MOST_ROUNDS);
  };

  /** Takes ids whose session is gone out of a user's Set. */
  const prune = async (user: string): Promise<void> => {
    const { stale } = await membersOf(fence, records, userOf, user);
    await Promise.all(stale.map((id) => fence.leave(user, id)));
  };

  /** Of sessions without number no one has to go; the stale ones do, but nobody waits for that. */
  const joinUnlimited = async (user: string, id: string, former?: string) => {
    const stale = former === undefined ? [] : [former];
    const ended = await fence.join(user, id, 0, { stale, victims: [] });
    void prune(user).catch(report("pruning a user's sessions"));
    return ended!;
  };

  const enter = (user: string, id: string, former?: string): Promise<readonly string[]> => {
    if (concurrent === 0) return joinUnlimited(user, id, former);
    const isAlone = concurrent === 1 && whenFull === "end-oldest";
    return isAlone ? fence.claim(user, id) : join(user, id, former);
  };

  return {
    admit: async (user, id, former, isAdopted) => {
      const ended = await enter(user, id, former);
      const others = ended.filter((other) => other !== former);
      const finish = async (): Promise<void> => {
        const detail = {
          userId: user,
          ended: await records.buryAll(others, user, "signed-in-elsewhere"),
        };
        context.events.emit("login", isAdopted ? { ...detail, adopted: isAdopted } : detail);
      };
      void finish();
    },
  };
}
