# shellcheck shell=bash
# What terraform/ is held against: the types that were generated from Cloudflare's provider for
# Terraform, from an npm package. Fetched rather than installed: of its 77 MB only the declarations
# (a tenth) are read, and none of the two frameworks that it would bring along.

provider_schema_version=13.9.1
provider_schema_integrity=sha512-8O8Kot+yWYyhgHjrQEyqZ3V5eyt3eRigYrTbSrbB5cy/Q5cWFPCwJ9OxTJpPIJZkplCW+cYXsCSA7GrNTtS1hw==
provider_schema=$setup_dir/provider-schema

title_provider_schema() { echo "the schema of Cloudflare's Terraform provider (npm, 8 MB)"; }

probe_provider_schema() { [ "$(cat "$provider_schema/version")" = "$provider_schema_version" ]; }

do_provider_schema() {
  local download=$setup_dir/download-schema archive
  rm -rf "$download" "$provider_schema"
  mkdir -p "$download"
  npm pack --loglevel=error --pack-destination "$download" "@cdktf/provider-cloudflare@$provider_schema_version"
  archive=$(echo "$download"/*.tgz)
  has_integrity "$archive" "$provider_schema_integrity"
  tar -xzf "$archive" -C "$download"
  find "$download/package/lib" -type f -not -name index.d.ts -delete
  mv "$download/package/lib" "$provider_schema"
  rm -rf "$download"
  echo "$provider_schema_version" >"$provider_schema/version"
}

# has_integrity FILE sha512-BASE64: as a lock file names it.
has_integrity() {
  node -e '
    const [file, expected] = process.argv.slice(1);
    const digest = require("node:crypto").createHash("sha512").update(require("node:fs").readFileSync(file)).digest("base64");
    if (`sha512-${digest}` !== expected) {
      console.error(`${file} is not what it should be: sha512-${digest}, not ${expected}`);
      process.exit(1);
    }' "$1" "$2"
}

help_provider_schema() {
  echo "See that 'npm ping' works from here (behind a proxy: npm config set proxy …) and start again."
}
