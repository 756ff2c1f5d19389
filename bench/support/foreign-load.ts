/** How busy other programs keep the machine: figures taken beside them are no figures. */
import { readFileSync } from "node:fs";

/** Milliseconds in one of Linux's clock ticks. */
const TICK = 10;

/** Milliseconds of CPU that all programs together have used, or undefined where Linux does not tell. */
export function machineCpu(): number | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/stat", "latin1");
  } catch {
    return undefined; // Not Linux.
  }
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = text
    .slice(0, text.indexOf("\n"))
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK;
}

/** Milliseconds of CPU that one process has used; 0 where Linux does not tell. */
export function processCpu(pid: number): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return 0;
  }
  // The name in parentheses may hold spaces; the state follows it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
