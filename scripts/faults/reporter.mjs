// A reporter for Node's test runner: one JSON line for each test that ended, with the lines it has
// printed for its reader. (A test's diagnostics follow its end and carry its place.)

const placeOf = ({ file, line, column }) => `${file}:${line}:${column}`;

export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type === 'test:pass' || type === 'test:fail') {
      const { name, file, skip, details } = data;
      const error = details.error && (details.error.cause?.stack ?? details.error.cause ?? details.error.message);
      const outcome = skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
      const why = skip !== undefined ? String(skip || 'no reason was given') : error && String(error);
      yield line({ at: placeOf(data), name, file, outcome, why, durationMs: details.duration_ms });
    }
    if (type === 'test:diagnostic' && data.file) yield line({ at: placeOf(data), says: data.message });
  }
}

const line = (value) => `${JSON.stringify(value)}\n`;
