/** What happened in a run, in words, one line for each event. Off unless asked for, since it costs more than the run. */
export class Trace {
  readonly lines: string[] = [];
  readonly isOn: boolean;

  constructor(isOn: boolean) {
    this.isOn = isOn;
  }

  /** Adds a line. Call it with a function where the words cost something. */
  add(words: string | (() => string)): void {
    if (this.isOn) this.lines.push(typeof words === "string" ? words : words());
  }
}
