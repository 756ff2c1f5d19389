/** What a refused client reads. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Request, Response } from "express";
import type { Options as ShellOptions } from "express-rate-limit";
import type { Logger } from "../config.ts";
import { type Problem, problemBody } from "../problem.ts";
import { parseCount } from "../validate.ts";
import { writeRetryAfter } from "./headers.ts";
import { type LimiterPlan, shellOptionsOf } from "./plan.ts";
import { policiesOf, retryAfterOf, type Row } from "./rows.ts";
import { markRefused, unmarkRefused } from "../refused.ts";

/** The type URI that the RateLimit draft registers for this problem. */
const QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/** Answers a request that one of the limits refused. */
type Refuse = (request: IncomingMessage, response: ServerResponse, rows: readonly Row[]) => void;

/** Makes what answers a limiter's refusals with one status. */
function createRefuse(status: number): Refuse {
  // A flood is refused by the same policies again and again.
  let last: Problem | undefined;
  let lastNames = "";
  return (request, response, rows) => {
    const refusing = policiesOf(rows);
    const names = refusing.join("\0");
    if (last === undefined || names !== lastNames) {
      const members = { type: QUOTA_EXCEEDED, "violated-policies": refusing };
      const json = JSON.stringify({ ...members, title: "Too many requests", status });
      last = { json, text: "Too many requests, please try again later." };
      lastNames = names;
    }
    sendProblem(request, response, status, last);
  };
}

/** Without a `type` it is `about:blank`. */
const FORBIDDEN: Problem = {
  json: JSON.stringify({ title: "Forbidden", status: 403 }),
  text: "Forbidden.",
};

/** Turns a client away whose address the option `deny` names. */
export function turnAway(request: IncomingMessage, response: ServerResponse): void {
  sendProblem(request, response, 403, FORBIDDEN);
}

/** Answers with a problem in the form that the client accepts. */
function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  problem: Problem,
): void {
  if (response.headersSent) return;
  const { contentType, body } = problemBody(request, problem);
  response.statusCode = status;
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Content-Type", contentType);
  response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(request.method === "HEAD" ? undefined : body);
}

/** express-rate-limit's `message`: text, a value for JSON, or what answers one. */
async function sendMessage(
  request: Request,
  response: Response,
  message: NonNullable<ShellOptions["message"]>,
  status: number,
): Promise<void> {
  const value: unknown = typeof message === "function" ? await message(request, response) : message;
  if (response.headersSent) return;
  const isText = typeof value === "string";
  response.statusCode = status;
  response.setHeader(
    "Content-Type",
    isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8",
  );
  response.end(isText ? value : JSON.stringify(value));
}

/** Goes on with a request, or with an error. */
export type Next = (error?: unknown) => void;

/** Makes what answers a refused request as the options say. */
export function createRefusal(
  plan: LimiterPlan,
  logger: Logger,
): (request: Request, response: Response, next: Next, rows: readonly Row[]) => Promise<void> {
  const { message, handler, retryAfter: ownRetryAfter } = plan.options;
  const shellOptions = Object.freeze(shellOptionsOf(plan));
  const refuse = createRefuse(plan.statusCode);
  /** Runs the application's own handler, which may answer now, later, or let the request go on. */
  const handle = async (request: Request, response: Response, next: Next): Promise<void> => {
    let hasGoneOn = false;
    const goOnOnce = (error?: unknown): void => {
      hasGoneOn = true;
      unmarkRefused(response);
      next(error);
    };
    markRefused(response);
    try {
      await Promise.resolve(handler!(request, response, goOnOnce, shellOptions));
    } catch (error) {
      if (!hasGoneOn) throw error;
      logger.error(`express-redis-kit: handler failed after next(): ${String(error)}`);
    }
  };
  return async (
    request: Request,
    response: Response,
    next: Next,
    rows: readonly Row[],
  ): Promise<void> => {
    const own =
      typeof ownRetryAfter === "function"
        ? parseCount("retryAfter()", await ownRetryAfter(request, response), 0)
        : ownRetryAfter;
    writeRetryAfter(response, own === undefined ? retryAfterOf(rows) : own * 1000);
    if (handler) return handle(request, response, next);
    if (message === undefined) refuse(request, response, rows);
    else await sendMessage(request, response, message, plan.statusCode);
    if (response.headersSent) markRefused(response);
  };
}
