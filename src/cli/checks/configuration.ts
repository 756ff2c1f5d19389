/** What the environment configures: where Redis is, by which variable, and what production would say of it. */
import { type Config, type KitOptions, resolveConfig } from "../../config.ts";
import { type Env, NOTHING } from "../../config/choose-target.ts";
import { describeTarget } from "../../config/redis-target.ts";
import { KitError } from "../../errors.ts";
import { wordsAndCode } from "../ask.ts";
import type { LoadedEnvironment } from "../environment.ts";
import { failure, type Finding, note, ok, type Subject, warning } from "../finding.ts";
import { ms, plural } from "../figures.ts";

/** What is judged. */
export interface ConfigurationQuestion {
  readonly options: KitOptions;
  readonly env: Env;
  readonly loaded: LoadedEnvironment;
}

/** The findings, and the configuration if there is one. */
export interface ConfigurationVerdict {
  readonly findings: readonly Finding[];
  readonly config: Config | undefined;
}

const CONFIGURATION: Subject = { id: "configuration", title: "configuration" };
const SECRET: Subject = { id: "session-secret", title: "session secret" };
const PRODUCTION: Subject = { id: "production-rules", title: "production rules" };

/** Characters below which a secret is likely to be guessed: 32 hexadecimal digits are 128 bits. */
const SHORTEST_SECRET = 32;

function described(config: Config, { loaded, env }: ConfigurationQuestion): Finding {
  const { target, source, namespace, deadline, environment } = config;
  const file = loaded.origin.get(source);
  const data = {
    target: describeTarget(target),
    kind: target.kind,
    source,
    file: file ?? null,
    namespace,
    deadline,
    environment,
    nodeEnv: env["NODE_ENV"] ?? null,
  };
  if (target.kind === "memory") {
    const reason = source === NOTHING ? "no Redis is configured" : `memory, by ${source}`;
    return note(
      CONFIGURATION,
      `${reason}: everything is kept in the memory of each process (${environment}), which production refuses. REDIS_URL sets one.`,
      data,
    );
  }
  const from = file === undefined ? source : `${source} in ${file}`;
  const space = namespace === "" ? "no namespace" : `namespace ${namespace}`;
  const detail = `${data.target} (from ${from}), ${space}, deadline ${ms(deadline)}, ${environment}`;
  return ok(CONFIGURATION, detail, data);
}

function unreadable({ loaded }: ConfigurationQuestion): Finding[] {
  const subject = { id: "environment-file", title: "environment file" };
  return loaded.unreadable.map(({ file, reason }) =>
    warning(subject, {
      detail: `${file} is there, but cannot be read (${reason}).`,
      why: "Variables that it sets are missing here, and in every process that reads it.",
      fix: `Make ${file} a readable text file, or remove it.`,
      data: { file, reason },
    }),
  );
}

const FIX_SECRET =
  "Set SESSION_SECRET to the output of `openssl rand -base64 32`; put a new one before the old, with a comma between, and nobody is signed out.";

function judgeSecret({ environment, secrets }: Config): Finding {
  const lengths = (secrets ?? []).map(({ length }) => length);
  const data = { count: lengths.length, lengths };
  if (secrets === undefined && environment !== "production") {
    const detail = "not set: each process makes one up, and its end signs everybody out";
    return note(SECRET, detail, data);
  }
  if (secrets === undefined) {
    return failure(SECRET, {
      detail: "SESSION_SECRET is not set.",
      why: "session() refuses to start in production, unless the application passes `secret` itself.",
      fix: FIX_SECRET,
      data,
    });
  }
  const detail = `${plural(secrets.length, "secret")} of ${lengths.join(" and ")} characters`;
  if (lengths.every((length) => length >= SHORTEST_SECRET)) return ok(SECRET, detail, data);
  return warning(SECRET, {
    detail: `${detail}; fewer than ${SHORTEST_SECRET} can be guessed from a cookie.`,
    why: "Who has guessed the secret can sign session cookies of their own.",
    fix: FIX_SECRET,
    data,
  });
}

/** Whether the rules of production are kept; outside of production, whether they would be. */
function judgeRules({ options, env }: ConfigurationQuestion, config: Config): Finding {
  const { warnings } = config;
  if (warnings.length > 0) {
    return warning(PRODUCTION, {
      detail: warnings.join(" "),
      why: "The exception lets sessions and passwords cross a network where others may read or change them.",
      fix: "Use TLS with a certificate that verifies (rediss://, REDIS_CA), and remove the exception.",
      data: { warnings },
    });
  }
  if (config.environment === "production") return ok(PRODUCTION, "kept");
  try {
    const asThere = resolveConfig(options, { ...env, NODE_ENV: "production" });
    if (asThere.warnings.length === 0) return ok(PRODUCTION, "would be kept");
    return note(PRODUCTION, `would be kept, by exception: ${asThere.warnings.join(" ")}`);
  } catch (error) {
    if (!(error instanceof KitError)) throw error;
    return warning(PRODUCTION, {
      detail: `Production would refuse to start: ${wordsAndCode(error)}`,
      why: "NODE_ENV is not production here, so it is allowed; deployed as it is, the application would not start.",
      fix: error.fix,
      data: { code: error.code },
    });
  }
}

/** Resolves the configuration as the kit would, before anything is connected. */
export function checkConfiguration(question: ConfigurationQuestion): ConfigurationVerdict {
  const files = unreadable(question);
  try {
    const config = resolveConfig(question.options, question.env);
    const rules = config.target.kind === "memory" ? [] : [judgeRules(question, config)];
    const findings = [...files, described(config, question), ...rules, judgeSecret(config)];
    return { findings, config };
  } catch (error) {
    if (!(error instanceof KitError)) throw error;
    const refusal = failure(CONFIGURATION, {
      detail: wordsAndCode(error),
      why: "The kit refuses to start with it, before it connects to anything.",
      fix: error.fix,
      data: { code: error.code },
    });
    return { findings: [...files, refusal], config: undefined };
  }
}
