// What a fuzzer (libFuzzer) prints, read back. Pure.

const STATUS = /^#(\d+)\s+[A-Za-z_]+\s+cov: (\d+) ft: (\d+) corp: (\d+)\S* .*?exec\/s: (\d+)/;

/** Where a fuzzer is after `line`, given where it was. */
export function progress(line, before) {
  const status = STATUS.exec(line);
  if (status) {
    const [execs, coverage, features, corpus, perSecond] = status.slice(1).map(Number);
    return { ...before, execs, coverage, features, corpus, perSecond };
  }
  const total = /^stat::number_of_executed_units:\s+(\d+)/.exec(line);
  if (total) return { ...before, execs: Number(total[1]) };
  const artefact = /Test unit written to (\S+)/.exec(line);
  if (artefact) return { ...before, artefact: artefact[1] };
  return before;
}

/** Why it stopped, in its own words: the panic and its message, or libFuzzer's verdict. */
export function reason(output) {
  const panic = /^thread .*panicked at (.*):\n(.*)/m.exec(output);
  if (panic) return `${panic[2]} (${panic[1]})`;
  return /^.*ERROR: (.*)$/m.exec(output)?.[1] ?? output.trim().split('\n').at(-1);
}
