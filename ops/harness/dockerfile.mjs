// A Dockerfile as its stages, and what a .dockerignore lets through.

/** `[{name, from, steps: [{instruction, value}]}]`, lines that go on joined, comments left out. */
export function stages(text) {
  const lines = text.replace(/\\\n/g, ' ').split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));
  const found = [];
  for (const line of lines) {
    const [, instruction, value] = /^(\w+)\s+(.*)$/.exec(line);
    if (instruction === 'FROM') {
      const [, from, name] = /^(\S+) AS (\S+)$/.exec(value);
      found.push({ name, from, steps: [] });
    } else found.at(-1).steps.push({ instruction, value: value.replace(/\s+/g, ' ') });
  }
  return found;
}

/** What an instruction says the last time in a stage. */
export const last = ({ steps }, instruction) => steps.findLast((step) => step.instruction === instruction)?.value;

/** Whether a path goes to the builder: the last pattern that names it, or a folder above it, decides. */
export function isSent(path, ignore) {
  let isSent = true;
  for (const line of ignore.split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('#'))) {
    const pattern = line.replace(/^!/, '');
    if (pattern === '*' ? true : expression(pattern).test(path)) isSent = line.startsWith('!');
  }
  return isSent;
}

/** `**` is any folders, `*` anything but a slash; a folder stands for what is below it. */
const expression = (pattern) => {
  const source = pattern.replace(/[.+]/g, '\\$&').replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(?:.*/)?'));
  return new RegExp(`^${source}(?:/.*)?$`);
};
