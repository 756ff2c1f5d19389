/** Checks of single options: what each of them must be. */
import { checkOptions, invalidOption, parseCount, parseFunction } from "../validate.ts";
import type { CheckName, RateLimitOptions } from "./options.ts";

/** A limiter's type is a key segment and a structured-field string, so it is a plain word. */
export function parseType(type: unknown): string {
  if (typeof type === "string" && /^[\w.-]{1,64}$/.test(type)) return type;
  throw invalidOption("type", type, "a word of letters, digits, `_`, `.` and `-`");
}

const FUNCTIONS = [
  "keyGenerator",
  "by",
  "account",
  "handler",
  "skip",
  "requestWasSuccessful",
] as const;

const SWITCHES = [
  "legacyHeaders",
  "headers",
  "skipFailedRequests",
  "skipSuccessfulRequests",
  "passOnStoreError",
  "shadow",
] as const;

/** Checks the options whose values are used as they are. */
export function checkTypes(options: RateLimitOptions): void {
  for (const name of FUNCTIONS) parseFunction(name, options[name]);
  for (const name of SWITCHES) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean")
      throw invalidOption(name, value, "true or false");
  }
  const { statusCode = 429, requestPropertyName = "rateLimit" } = options;
  if (parseCount("statusCode", statusCode, 400) > 599) {
    throw invalidOption("statusCode", statusCode, "a status from 400 to 599");
  }
  if (typeof (requestPropertyName as unknown) !== "string" || requestPropertyName === "") {
    throw invalidOption("requestPropertyName", requestPropertyName, "a name");
  }
  checkShellOptions(options);
}

/** The options of express-rate-limit that take a value or what answers it. */
function checkShellOptions({ identifier, retryAfter, ipv6Subnet, logger }: RateLimitOptions): void {
  if (identifier !== undefined && typeof identifier !== "function") parseIdentifier(identifier);
  if (retryAfter !== undefined && typeof retryAfter !== "function") {
    parseCount("retryAfter", retryAfter, 0);
  }
  if (ipv6Subnet !== undefined && typeof ipv6Subnet !== "function") parseSubnet(ipv6Subnet);
  const isLogger =
    logger === undefined ||
    (typeof logger?.warn === "function" && typeof logger.error === "function");
  if (!isLogger) throw invalidOption("logger", logger, "an object with `warn` and `error`");
}

/** A structured-field string (RFC 9651, section 3.3.3) that needs no escapes. */
export function parseIdentifier(value: unknown): string {
  if (typeof value === "string" && /^[ !#-[\]-~]{1,200}$/.test(value)) return value;
  throw invalidOption("identifier", value, "printable ASCII without quotes and backslashes");
}

/** express-rate-limit's `ipv6Subnet`: a prefix length, or false for the whole address. */
export function parseSubnet(value: unknown): number | false {
  const isLength = typeof value === "number" && Number.isInteger(value);
  if (value === false || (isLength && value >= 1 && value <= 128)) return value;
  throw invalidOption("ipv6Subnet", value, "a prefix length from 1 to 128, or false");
}

/** express-rate-limit's; those that are not ours are checks of options, which are always made here. */
const CHECKS: readonly string[] = [
  "trustProxy",
  "xForwardedForHeader",
  "creationStack",
  "singleCount",
  "default",
  "ip",
  "forwardedHeader",
  "positiveHits",
  "unsharedStore",
  "limit",
  "draftPolliHeaders",
  "onLimitReached",
  "headersDraftVersion",
  "headersResetTime",
  "knownOptions",
  "validationsConfig",
  "ipv6Subnet",
  "ipv6SubnetOrKeyGenerator",
  "keyGeneratorIpFallback",
  "windowMs",
];

/** Reads `validate`: which of the checks are on. */
export function parseChecks(validate: RateLimitOptions["validate"]): (name: CheckName) => boolean {
  if (validate === undefined || typeof validate === "boolean") return () => validate ?? true;
  checkOptions("validate", validate, CHECKS);
  return (name) => validate[name] ?? validate.default ?? true;
}
