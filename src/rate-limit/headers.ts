/** The RateLimit header fields, in the spellings of three drafts and the older X- ones. */
import type { ServerResponse } from "node:http";
import type { Answer } from "./counter.ts";
import type { HeaderStyle } from "./options.ts";

const seconds = (milliseconds: number): number => Math.max(0, Math.ceil(milliseconds / 1000));

/** Several limiters of one route share one list-valued field (RFC 9110, section 5.3). */
function append(response: ServerResponse, name: string, value: string): void {
  const present = response.getHeader(name);
  response.setHeader(name, present === undefined ? value : `${String(present)}, ${value}`);
}

/** The answer that will stop a client first. */
export function strictest(answers: readonly Answer[]): Answer {
  return answers.reduce((worst, answer) => {
    const isWorse =
      answer.decision.admitted === worst.decision.admitted
        ? answer.decision.remaining < worst.decision.remaining
        : !answer.decision.admitted;
    return isWorse ? answer : worst;
  });
}

/** Milliseconds until the client may try again: the longest that any refusing key asks for. */
export function retryAfterOf(answers: readonly Answer[]): number {
  return Math.max(0, ...answers.map(({ decision }) => decision.retryAfter));
}

/** Writes the fields of one limiter. */
export function writeHeaders(
  response: ServerResponse,
  answers: readonly Answer[],
  style: HeaderStyle,
  legacy: boolean,
): void {
  if (response.headersSent) return;
  const { decision, quota } = strictest(answers);
  const reset = seconds(decision.admitted ? decision.reset : decision.retryAfter);
  if (legacy) {
    response.setHeader("X-RateLimit-Limit", quota.limit);
    response.setHeader("X-RateLimit-Remaining", decision.remaining);
    response.setHeader("X-RateLimit-Reset", Math.ceil(Date.now() / 1000) + reset);
  }
  if (style === "draft-8") {
    for (const answer of answers) writeDraft8(response, answer);
  } else if (style === "draft-7") {
    response.setHeader("RateLimit-Policy", `${quota.limit};w=${seconds(quota.window)}`);
    const { limit } = quota;
    response.setHeader(
      "RateLimit",
      `limit=${limit}, remaining=${decision.remaining}, reset=${reset}`,
    );
  } else if (style === "draft-6") {
    response.setHeader("RateLimit-Policy", `${quota.limit};w=${seconds(quota.window)}`);
    response.setHeader("RateLimit-Limit", quota.limit);
    response.setHeader("RateLimit-Remaining", decision.remaining);
    response.setHeader("RateLimit-Reset", reset);
  }
}

function writeDraft8(response: ServerResponse, { type, quota, decision }: Answer): void {
  const reset = seconds(decision.admitted ? decision.reset : decision.retryAfter);
  append(response, "RateLimit-Policy", `"${type}";q=${quota.limit};w=${seconds(quota.window)}`);
  append(response, "RateLimit", `"${type}";r=${decision.remaining};t=${reset}`);
}

/** `Retry-After` in whole seconds, at least 1. */
export function writeRetryAfter(response: ServerResponse, milliseconds: number): void {
  if (!response.headersSent) response.setHeader("Retry-After", Math.max(1, seconds(milliseconds)));
}
