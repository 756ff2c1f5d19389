/** Who is in a user's Set, by what stands in their sessions' keys. */
import type { Fence } from "./fence.ts";
import { decode, type Mark, ownLifetime, type UserOf } from "../records/record.ts";
import type { Records } from "../records/records.ts";

/** A member whose session is live. */
export interface Member {
  readonly id: string;
  /** Without one, another library wrote the session, and no one has read it since. */
  readonly mark: Mark | undefined;
  /** Its own lifetime, in milliseconds; undefined for a browser's session. */
  readonly lifetime: number | undefined;
}

/** The members of a Set. */
export interface Members {
  /**
   * Ids whose session is gone, or another user's. An id is stored before it becomes a member and never
   * used again, so it will not come.
   */
  readonly stale: string[];
  /** The others, the one that was made first first. */
  readonly live: readonly Member[];
}

/**
 * Reads them all. A session of another user is no member, wherever its id stands; one in which `userOf`
 * finds nobody may be that of a `session()` with a `user` of its own.
 */
export async function membersOf(
  fence: Fence,
  records: Records,
  userOf: UserOf,
  user: string,
): Promise<Members> {
  const ids = await fence.members(user);
  const texts = await Promise.all(ids.map((id) => records.textOf(id)));
  const stale: string[] = [];
  const live: Member[] = [];
  for (const [index, id] of ids.entries()) {
    const text = texts[index] ?? null;
    const record = text === null ? undefined : decode(text);
    const owner = record?.kind === "live" ? (userOf(record.data) ?? user) : undefined;
    if (record?.kind !== "live" || owner !== user) stale.push(id);
    else live.push({ id, mark: record.mark, lifetime: ownLifetime(record.data.cookie) });
  }
  live.sort((one, other) => (one.mark?.created ?? 0) - (other.mark?.created ?? 0));
  return { stale, live };
}
