/** What a restart of the server would lose, and whether failed writes to disk make it refuse commands. */
import { ask, type Info, named, type Server } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, failure, type Finding, note, ok, warning, worst } from "../finding.ts";

const FIX_DISK =
  "Look at the server's log and its disk (full, read-only, or too little memory to fork), then BGSAVE; CONFIG SET stop-writes-on-bgsave-error no lets writes through meanwhile.";
const WHY_DISK =
  "Redis answers writes with MISCONF while it cannot store them: no limit is counted, nobody can log in.";

/** The configuration's value; undefined where it is not told. */
async function setting({ sender }: Server, name: string): Promise<string | undefined> {
  const { reply } = await ask<string[]>(sender, ["CONFIG", "GET", name]);
  return reply?.[1];
}

function failedWrite(info: Info, points: string | undefined, stops: string | undefined) {
  if (info.text("aof_last_write_status") === "err") return "its append-only file";
  const isSaved = points !== "" && stops !== "no";
  return info.text("rdb_last_bgsave_status") === "err" && isSaved ? "its snapshot" : undefined;
}

async function judge(server: Server): Promise<Finding> {
  const { reply: info, denied } = server.info;
  if (denied !== undefined) return cannotTell(persistence, named(server, denied));
  const [points, stops] = await Promise.all([
    setting(server, "save"),
    setting(server, "stop-writes-on-bgsave-error"),
  ]);
  const isLogged = info.text("aof_enabled") === "1";
  const data = { appendonly: isLogged, save: points ?? null };
  const unwritten = failedWrite(info, points, stops);
  if (unwritten !== undefined) {
    const trouble = {
      detail: named(server, `Redis failed to write ${unwritten}.`),
      why: WHY_DISK,
      fix: FIX_DISK,
      data,
    };
    // Without the settings it is a guess whether writes are refused.
    return points === undefined ? warning(persistence, trouble) : failure(persistence, trouble);
  }
  if (isLogged) return ok(persistence, named(server, "append-only file"), data);
  if (points === undefined) {
    if (info.text("aof_enabled") === undefined) {
      return cannotTell(persistence, named(server, "the server does not say"), data);
    }
    const unknown =
      "no append-only file, and whether snapshots are made cannot be told: a restart may sign everybody out";
    return note(persistence, named(server, unknown), data);
  }
  const detail =
    points === ""
      ? "nothing is kept: a restart of Redis signs everybody out and empties limits and cache"
      : `snapshots only (save ${points}): a crash loses the sessions and limits written since the last`;
  return note(persistence, named(server, detail), data);
}

/** The server that would lose most. */
export const persistence: Check = {
  id: "persistence",
  title: "persistence",
  run: async ({ servers }) => worst(await Promise.all(servers.map(judge))),
};
