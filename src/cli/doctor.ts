/** The doctor: looks at the configuration, the connection and the server, in the order in which they can fail. */
import type { Config, KitOptions } from "../config.ts";
import type { Env } from "../config/choose-target.ts";
import type { Channel } from "../connection/channel.ts";
import { withDeadline } from "../connection/deadline.ts";
import { openChannel } from "../connection/open.ts";
import { KitError } from "../errors.ts";
import { keyKinds } from "../keys.ts";
import { meet, serverWords, wordsOf } from "./ask.ts";
import { clients } from "./checks/clients.ts";
import { clock } from "./checks/clock.ts";
import { checkConfiguration } from "./checks/configuration.ts";
import { checkConnection, notConnected } from "./checks/connection.ts";
import { checkEncryption } from "./checks/encryption.ts";
import { eviction } from "./checks/eviction.ts";
import { keys } from "./checks/keys.ts";
import { latency } from "./checks/latency.ts";
import { memory } from "./checks/memory.ts";
import { permissions } from "./checks/permissions.ts";
import { persistence } from "./checks/persistence.ts";
import { server } from "./checks/server.ts";
import { slowCommands } from "./checks/slow-commands.ts";
import { checkBrokenCluster, topology } from "./checks/topology.ts";
import type { LoadedEnvironment } from "./environment.ts";
import type { Check, Examination } from "./examination.ts";
import { cannotTell, failure, type Finding, note, type Report } from "./finding.ts";
import { createRedactor, redactDeep, type Redactor } from "./secrets.ts";

/** What the doctor needs. */
export interface DoctorInputs {
  /** As for `createKit()`: what the application passes and the environment does not say. */
  readonly options: KitOptions;
  readonly env: Env;
  readonly loaded: LoadedEnvironment;
  /** Milliseconds after which no check goes on. Default: 13 s. */
  readonly limit?: number;
  /** This process's wall clock. */
  readonly now?: () => number;
  readonly open?: typeof openChannel;
}

/** In the order of the report: what a person looks for first comes first. */
const CHECKS: readonly Check[] = [
  latency,
  server,
  topology,
  permissions,
  memory,
  eviction,
  keys,
  clock,
  persistence,
  clients,
  slowCommands,
];

/** Milliseconds. With the last question and the farewell it makes 15 s. */
const LIMIT = 13_000;
const GOODBYE = 1000;
const STILL_THERE = 1000;
const HANDSHAKE = 3000;

const silent = { info: () => {}, warn: () => {}, error: () => {} };

function unchecked(checks: readonly Check[], reason: string): Finding[] {
  if (checks.length === 0) return [];
  const names = checks.map(({ title }) => title).join(", ");
  const data = { ids: checks.map(({ id }) => id) };
  return [note({ id: "not-checked", title: "not checked" }, `${names}: ${reason}`, data)];
}

/** What an error means for the check during which it came. */
function explain(check: Check, error: unknown): Finding {
  const words = serverWords(error);
  if (words !== undefined) return cannotTell(check, `the server answered "${words.slice(0, 120)}"`);
  const isKnown = error instanceof KitError;
  return failure(check, {
    detail: isKnown ? wordsOf(error) : `The check itself failed: ${String(error)}.`,
    why: isKnown
      ? "Redis answered before, and stopped while this was looked at."
      : "This is a fault of the doctor, not of Redis.",
    fix: isKnown ? error.fix : "Please report it with this line.",
    data: { code: isKnown ? error.code : null },
  });
}

class Visit {
  readonly #end: number;
  readonly findings: Finding[] = [];

  constructor(limit: number) {
    this.#end = performance.now() + limit;
  }

  within<T>(work: Promise<T>, what: string): Promise<T> {
    return withDeadline(work, Math.max(1, this.#end - performance.now()), what);
  }

  add(found: Finding | readonly Finding[]): void {
    this.findings.push(...(Array.isArray(found) ? (found as Finding[]) : [found as Finding]));
  }

  /** Runs checks until the server is gone or the time is up. */
  async run(checks: readonly Check[], examination: Examination): Promise<void> {
    for (const [index, check] of checks.entries()) {
      try {
        // eslint-disable-next-line no-await-in-loop -- one after the other, or they would disturb each other
        this.add(await this.within(check.run(examination), `the check '${check.title}'`));
      } catch (error) {
        this.add(explain(check, error));
        // eslint-disable-next-line no-await-in-loop
        const reason = await this.#reasonToStop(examination.channel);
        if (reason === undefined) continue;
        this.add(unchecked(checks.slice(index + 1), reason));
        return;
      }
    }
  }

  async #reasonToStop(channel: Channel): Promise<string | undefined> {
    // A timer may fire a little before its time.
    if (performance.now() > this.#end - 10) return "the time is up";
    try {
      await channel.send(["PING"], { within: STILL_THERE });
      return undefined;
    } catch (error) {
      // Any answer will do, if not the one that was asked for.
      return serverWords(error) === undefined ? "Redis does not answer any more" : undefined;
    }
  }
}

/** What can be said where no connection comes about. */
async function addWithoutConnection(visit: Visit, channel: Channel, config: Config) {
  const isCluster = config.target.kind === "cluster";
  if (isCluster) visit.add(await checkBrokenCluster(channel));
  const others = isCluster ? CHECKS.filter((check) => check !== topology) : CHECKS;
  visit.add(unchecked(others, "they need a connection"));
}

async function examine(
  visit: Visit,
  config: Config,
  channel: Channel,
  now: () => number,
): Promise<void> {
  const encryption = checkEncryption(config, HANDSHAKE, now());
  try {
    visit.add(await visit.within(checkConnection(channel), "the connection"));
  } catch (error) {
    if (!(error instanceof KitError)) throw error;
    visit.add(notConnected(error));
    visit.add(await encryption);
    await addWithoutConnection(visit, channel, config);
    return;
  }
  visit.add(await encryption);
  try {
    const servers = await visit.within(channel.masters().then(meet), "INFO");
    const kinds = keyKinds(config.namespace);
    await visit.run(CHECKS, { config, channel, servers, kinds, now });
  } catch (error) {
    visit.add(explain(server, error));
    const others = CHECKS.filter((check) => check !== server);
    visit.add(unchecked(others, "Redis does not answer"));
  }
}

/** What names a check is the doctor's own; all else may quote somebody. */
function redactFinding({ id, level, title, ...rest }: Finding, redact: Redactor): Finding {
  return { id, level, title, ...redactDeep(rest, redact) };
}

/** Looks at everything and never rejects for what it finds; bounded in time whatever the server does. */
export async function runDoctor(inputs: DoctorInputs): Promise<Report> {
  const { env, loaded, limit = LIMIT, now = Date.now, open = openChannel } = inputs;
  const options = { logger: silent, ...inputs.options };
  const visit = new Visit(limit);
  const { findings, config } = checkConfiguration({ options, env, loaded });
  visit.add(findings);
  if (config === undefined) visit.add(unchecked(CHECKS, "they need a configuration"));
  else if (config.target.kind !== "memory") {
    const channel = open(config, { connection: () => {}, error: () => {} });
    try {
      await examine(visit, config, channel, now);
    } finally {
      // Nothing is under way that anybody waits for.
      await withDeadline(channel.close(), GOODBYE, "closing").catch(() => {});
    }
  }
  const redact = createRedactor(env);
  const checks = visit.findings.map((finding) => redactFinding(finding, redact));
  return { ok: checks.every(({ level }) => level !== "failure"), checks };
}
