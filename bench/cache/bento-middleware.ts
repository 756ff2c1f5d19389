/** A middleware over bentocache, which has none: what its users would write to cache whole responses. */
import type { BentoCache } from "bentocache";
import type { RequestHandler, Response } from "express";
import fresh from "fresh";
import type { IncomingHttpHeaders } from "node:http";

/** A response, as JSON can hold it. */
interface Stored {
  readonly status: number;
  readonly fields: Readonly<Record<string, number | string | string[] | undefined>>;
  /** As base64: JSON reads that faster than text with quotes in it, and it keeps every byte. */
  readonly body: string;
}

function isStorable(response: Response): boolean {
  return (
    response.statusCode === 200 &&
    response.getHeader("Set-Cookie") === undefined &&
    !/no-store|private/.test(String(response.getHeader("Cache-Control") ?? ""))
  );
}

/** Resolves once the handler has answered: what is to be stored of it, if anything. */
function capture(response: Response): Promise<Stored | undefined> {
  const chunks: Buffer[] = [];
  const collect = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === "string") chunks.push(Buffer.from(chunk, encoding as BufferEncoding));
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const write = response.write.bind(response) as (...args: unknown[]) => boolean;
  const end = response.end.bind(response) as (...args: unknown[]) => Response;
  response.write = (...args: unknown[]) => {
    collect(args[0], args[1]);
    return write(...args);
  };
  response.end = (...args: unknown[]) => {
    collect(args[0], args[1]);
    return end(...args);
  };
  return new Promise((resolve) => {
    response.once("close", () => {
      if (!response.writableFinished || !isStorable(response)) return resolve(undefined);
      const { "x-powered-by": _, ...fields } = response.getHeaders();
      const body = Buffer.concat(chunks).toString("base64");
      resolve({ status: response.statusCode, fields, body });
    });
  });
}

function reply(stored: Stored, headers: IncomingHttpHeaders, response: Response): void {
  for (const [name, value] of Object.entries(stored.fields)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  const { etag, "last-modified": modified } = stored.fields;
  if (fresh(headers, { etag, "last-modified": modified })) {
    response.removeHeader("Content-Type");
    response.removeHeader("Content-Length");
    response.status(304).end();
    return;
  }
  response.statusCode = stored.status;
  if (response.req.method === "HEAD") response.end();
  else response.end(Buffer.from(stored.body, "base64"));
}

/** The store to use is bentocache's default one. */
type Cache = Pick<BentoCache<Record<string, never>>, "get" | "getOrSet">;

/** Caches what is asked for without `Authorization`, by URL. */
export function bentoMiddleware(cache: Cache, ttl: string): RequestHandler {
  return async (request, response, next) => {
    const { method, originalUrl: key, headers } = request;
    const isCacheable = method === "GET" || method === "HEAD";
    if (!isCacheable || headers.authorization !== undefined) return next();
    let hasRun = false;
    const render = (): Promise<Stored | undefined> => {
      hasRun = true;
      // Its 304 could not be stored for others.
      delete headers["if-none-match"];
      delete headers["if-modified-since"];
      const stored = capture(response);
      next();
      return stored;
    };
    const found =
      method === "HEAD"
        ? await cache.get<Stored>({ key })
        : await cache.getOrSet<Stored | undefined>({
            key,
            ttl,
            factory: async ({ skip }) => (await render()) ?? skip(),
          });
    if (hasRun) return;
    if (found === undefined || found === null) return next();
    reply(found, headers, response);
  };
}
