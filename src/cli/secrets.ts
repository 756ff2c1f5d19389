/** Takes passwords, tokens, session secrets and keys out of any text before somebody reads it. */
import { type Env, variable } from "../config/choose-target.ts";

/** So much of a secret's beginning is already too much: servers and libraries cut what they quote. */
const TELLING = 8;
const HIDDEN = "[hidden]";

const TOKENS = ["REDIS_TOKEN", "UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_TOKEN"];
const URLS = ["REDIS_URL", "UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"];

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A stray %: then the text itself is all there is.
  }
}

/** What stands where a URL keeps its password; all of it where the text is no URL that the kit knows. */
function secretsOfUrl(text: string): string[] {
  if (!/^["']?(rediss?(\+sentinel)?|unix|https?):\/\//i.test(text))
    return [text, ...text.split("://")];
  const [, authority = ""] = /:\/\/(.*)@/s.exec(text) ?? [];
  if (authority === "") return [];
  const colon = authority.indexOf(":");
  // A URL with a user and no password is most likely a password in the wrong place.
  const password = colon === -1 ? authority : authority.slice(colon + 1);
  return [password, ...password.split(/[@,]/)];
}

function secretsOf(env: Env): string[] {
  const secrets = TOKENS.map((name) => variable(env, name) ?? "");
  for (const name of URLS) secrets.push(...secretsOfUrl(variable(env, name) ?? ""));
  const session = env["SESSION_SECRET"] ?? "";
  secrets.push(session, ...session.split(","));
  const key = env["REDIS_KEY"] ?? "";
  secrets.push(...key.split(/\\n|\n/).filter((line) => !line.includes("-----")));
  return secrets.map((secret) => secret.trim());
}

/** Every way in which a secret may be written. */
function spellings(secret: string): string[] {
  const plain = decoded(secret);
  // What has no UTF-8 form cannot be percent-encoded.
  return [secret, plain, encodeURIComponent(plain.toWellFormed())];
}

/** A short word of letters, such as `redis` or `password`, also stands in texts that tell no secret. */
function isCommonWord(text: string): boolean {
  return text.length < 4 || /^[a-z]{1,11}$/i.test(text);
}

function hideQuoted(text: string, secret: string): string {
  return text.replaceAll(`'${secret}'`, `'${HIDDEN}'`).replaceAll(`"${secret}"`, `"${HIDDEN}"`);
}

/** How much of a secret stands at this place; 0 where not enough does to tell anything. */
function matchAt(text: string, at: number, secret: string): number {
  const least = Math.min(TELLING, secret.length);
  if (!text.startsWith(secret.slice(0, least), at)) return 0;
  let length = least;
  while (length < secret.length && text[at + length] === secret[length]) length += 1;
  // `sessions`, where the secret is `sessions-of-mine-1234`, is a word and no quotation.
  return length < secret.length && isCommonWord(secret.slice(0, length)) ? 0 : length;
}

/** The longest at each place: one secret's beginning may be another's. */
function hideAll(text: string, secrets: readonly string[]): string {
  let result = "";
  for (let at = 0; at < text.length;) {
    const here = at;
    const length = Math.max(0, ...secrets.map((secret) => matchAt(text, here, secret)));
    result += length > 0 ? HIDDEN : text[at]!;
    at += Math.max(1, length);
  }
  return result;
}

/** Takes secrets out of a text. */
export type Redactor = (text: string) => string;

/** Makes a redactor of all secrets in an environment. */
export function createRedactor(env: Env): Redactor {
  const secrets = [...new Set(secretsOf(env).flatMap(spellings))].filter((secret) => secret !== "");
  const words = secrets.filter(isCommonWord);
  const telling = secrets.filter((secret) => !isCommonWord(secret));
  return (text) => hideAll(words.reduce(hideQuoted, text), telling);
}

/** Redacts every text inside a value; the names of its fields stay. */
export function redactDeep<T>(value: T, redact: Redactor): T {
  if (typeof value === "string") return redact(value) as T;
  if (Array.isArray(value)) return value.map((item) => redactDeep(item as unknown, redact)) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    redactDeep(item as unknown, redact),
  ]);
  return Object.fromEntries(entries) as T;
}
