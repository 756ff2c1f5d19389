/** Whether the Redis user may run every command that the kit sends, on its keys; and the ACL line that mends it. */
import { ask } from "../ask.ts";
import type { Check, Examination } from "../examination.ts";
import { failure, type Finding, note, ok, type Subject } from "../finding.ts";
import { plural } from "../figures.ts";
import { askAll, type Judged, type Need, needsOf, tryAll } from "../permissions.ts";

const PERMISSIONS: Subject = { id: "permissions", title: "permissions" };

interface Hearing {
  readonly user: string;
  readonly judged: readonly Judged[];
  readonly method: "ACL DRYRUN" | "trying";
}

async function whoami({ channel, config }: Examination): Promise<string> {
  const { reply } = await ask<string>(channel, ["ACL", "WHOAMI"]);
  if (typeof reply === "string") return reply;
  const { target } = config;
  return ("username" in target ? target.username : undefined) ?? "default";
}

/** Each node of a Cluster keeps users of its own, so each is asked. */
async function hear(examination: Examination, needs: readonly Need[]): Promise<Hearing> {
  const { servers, channel } = examination;
  const user = await whoami(examination);
  const answers = await Promise.all(servers.map(({ sender }) => askAll(sender, user, needs)));
  if (answers.every((answer) => answer !== undefined)) {
    return { user, judged: answers.flat(), method: "ACL DRYRUN" };
  }
  return { user, judged: await tryAll(channel, needs), method: "trying" };
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)].toSorted();
}

function names(judged: readonly Judged[]): string[] {
  return unique(judged.map(({ command }) => command.name));
}

function missing(judged: readonly Judged[], user: string, data: Finding["data"]): Finding {
  const commands = names(judged.filter(({ verdict }) => verdict === "no command"));
  const patterns = unique(
    judged.flatMap(({ verdict, kind }) => (verdict === "no key" && kind ? [kind.pattern] : [])),
  );
  const channels = unique(
    judged.flatMap(({ verdict, kind }) => (verdict === "no channel" && kind ? [kind.pattern] : [])),
  );
  const unknown = names(judged.filter(({ verdict }) => verdict === "unknown command"));
  const rights = [
    ...patterns.map((pattern) => `~${pattern}`),
    ...channels.map((pattern) => `&${pattern}`),
    ...commands.map((name) => `+${name.toLowerCase()}`),
  ];
  const lacks = [
    commands.length > 0 && `may not run ${commands.join(", ")}`,
    patterns.length > 0 && `may not use keys ${patterns.join(", ")}`,
    channels.length > 0 && `may not use channels ${channels.join(", ")}`,
    unknown.length > 0 && `finds no ${unknown.join(", ")} on this server`,
  ].filter(Boolean);
  const fixes = [
    rights.length > 0 &&
      `ACL SETUSER ${user} ${rights.join(" ")} (on every node; then ACL SAVE or CONFIG REWRITE, so that it survives a restart)`,
    unknown.length > 0 && "Use a server that offers these commands, or undo their rename-command.",
  ].filter(Boolean);
  return failure(PERMISSIONS, {
    detail: `The user '${user}' ${lacks.join(", and ")}.`,
    why: "What needs it fails with REDIS_COMMAND_FAILED at the first request that comes there, while the rest works.",
    fix: fixes.join(" "),
    data: { ...data, commands, patterns, channels, unknown },
  });
}

/** What the kit does without. A command that a server does not know is nothing that its user lacks. */
function lacking(refused: readonly Judged[]): string {
  const denied = refused.filter(({ verdict }) => verdict !== "unknown command");
  const effects = unique(denied.map(({ command }) => command.optional!));
  return effects
    .map((effect) => {
      const ofIt = names(denied.filter(({ command }) => command.optional === effect));
      return `, but ${ofIt.join(", ")}: ${effect}`;
    })
    .join("");
}

/** Every right, on every server. */
export const permissions: Check = {
  ...PERMISSIONS,
  run: async (examination) => {
    const needs = needsOf(examination.config, examination.kinds);
    const { user, judged, method } = await hear(examination, needs);
    const refused = judged.filter(({ verdict }) => verdict !== "allowed" && verdict !== "untried");
    const vital = refused.filter(({ command }) => command.optional === undefined);
    const untried = names(judged.filter(({ verdict }) => verdict === "untried"));
    const total = names(judged).length;
    const data = { user, method, commands: [], patterns: [], channels: [], unknown: [], untried };
    if (vital.length > 0) return missing(vital, user, data);
    if (untried.length > 0) {
      const detail = `the user '${user}' may run what could be tried; cannot tell: ${untried.join(", ")}`;
      return note(PERMISSIONS, detail, data);
    }
    const detail = `the user '${user}' may run all ${plural(total, "command")} of the kit on its keys`;
    const lesser = lacking(refused);
    return lesser === "" ? ok(PERMISSIONS, detail, data) : note(PERMISSIONS, detail + lesser, data);
  },
};
