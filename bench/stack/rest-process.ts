/** Upstash's REST API over a real redis-server, in a process of its own; tells what has passed when asked. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { RestDatabase } from "../../__tests__/support/rest-database.ts";
import type { Traffic } from "./backends.ts";
import { TOKEN } from "./settings.ts";

const [socketPath = ""] = process.argv.slice(2);
const database = new RestDatabase(socketPath);
const passed = { requests: 0, received: 0, sent: 0 };

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

async function answer(request: IncomingMessage): Promise<[status: number, body: unknown]> {
  const commands = (await bodyOf(request)) as unknown[][];
  if (request.headers.authorization !== `Bearer ${TOKEN}`) {
    return [401, { error: "WRONGPASS invalid or missing auth token" }];
  }
  const isBase64 = request.headers["upstash-encoding"] === "base64";
  if (request.url === "/multi-exec") return [200, await database.transaction(commands, isBase64)];
  if (request.url === "/pipeline") {
    return [200, await Promise.all(commands.map((command) => database.run(command, isBase64)))];
  }
  const result = await database.run(commands, isBase64);
  return ["error" in result ? 400 : 200, result];
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  passed.requests += 1;
  const [status, body] = await answer(request);
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

const server = createServer((request, response) => {
  respond(request, response).catch(() => response.destroy());
});
/** The bytes of the connections that are closed; those of the others are asked for. */
const open = new Set<IncomingMessage["socket"]>();
server.on("connection", (socket: IncomingMessage["socket"]) => {
  open.add(socket);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    open.delete(socket);
    passed.received += socket.bytesRead;
    passed.sent += socket.bytesWritten;
  });
});
server.listen(0, "127.0.0.1", () => {
  process.send!((server.address() as { port: number }).port);
});
process.on("message", () => {
  const total = { ...passed };
  for (const { bytesRead, bytesWritten } of open) {
    total.received += bytesRead;
    total.sent += bytesWritten;
  }
  process.send!(total satisfies Traffic);
});
