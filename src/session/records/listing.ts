/** All sessions of a kit, live ones, by SCAN: for express-session's `all`, `ids`, `length` and `clear`. */
import type { Context } from "../../context.ts";
import { decode, type SessionJson } from "./record.ts";

/** A session id, as it stood before it was escaped; a foreign key's stays as it is. */
function idOf(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * Batches of the live sessions; tombstones and foreign values are left out. SCAN may bring a key
 * twice; so may this.
 */
export async function* liveSessions({
  connection,
  keys,
}: Context): AsyncIterable<{ id: string; data: SessionJson }[]> {
  for await (const batch of connection.scan(keys.sessionPrefix)) {
    const texts = await Promise.all(batch.map((key) => connection.get(key).catch(() => null)));
    yield texts.flatMap((text, index) => {
      const record = text === null ? undefined : decode(text);
      if (record?.kind !== "live") return [];
      const id = idOf(batch[index]!.slice(keys.sessionPrefix.length));
      return [{ id, data: record.data }];
    });
  }
}

/** The ids of all live sessions, each once. */
export async function liveIds(context: Context): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const batch of liveSessions(context)) for (const { id } of batch) ids.add(id);
  return ids;
}

/**
 * Deletes all sessions, batch by batch.
 *
 * @param adoptPrefix another library's, whose sessions would be taken over later
 */
export async function clearSessions(
  { connection, keys }: Context,
  adoptPrefix: string | undefined,
): Promise<void> {
  for (const prefix of [adoptPrefix, keys.sessionPrefix]) {
    if (prefix === undefined) continue;
    // eslint-disable-next-line no-await-in-loop -- the other library's first: nothing is left to take over
    for await (const batch of connection.scan(prefix))
      await Promise.all(batch.map((key) => connection.del(key)));
  }
}
