# SPDX-License-Identifier: Apache-2.0
"""A bucket on loopback that checks signatures by the specification of AWS Signature Version 4, and fails as it is told."""
import bisect
import datetime
import hashlib
import hmac
import http.server
import itertools
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

REGION = "eu-test-1"


def sign(secret, day, text):
    key = ("AWS4" + secret).encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def expected(handler, secret):
    """(signature given, signature expected) of a request; ValueError when it is not signed as it has to be."""
    kind, _, rest = handler.headers.get("Authorization", "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    access, day, region, service, end = fields["Credential"].split("/")
    stamp, names = handler.headers["x-amz-date"], fields["SignedHeaders"].split(";")
    if (kind, region, service, end) != ("AWS4-HMAC-SHA256", REGION, "s3", "aws4_request") or stamp[:8] != day or names != sorted(names):
        raise ValueError("scope")
    sent = sorted(name.lower() for name in handler.headers if name.lower() in ("host", "range", "if-match") or name.lower().startswith("x-amz-"))
    if any(name not in names for name in sent):
        raise ValueError("a header is not signed")
    path, _, query = handler.path.partition("?")
    pairs = sorted((quote(k), quote(v)) for k, v in urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([
        handler.command, quote(urllib.parse.unquote(path), "/-_.~"), "&".join(f"{k}={v}" for k, v in pairs),
        "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names), ";".join(names), handler.headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{day}/{REGION}/s3/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
    return access, fields["Signature"], sign(secret, day, text)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=None, cut=None, stall=0):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.wfile.flush()
        if stall:
            time.sleep(stall)
        if cut is not None:
            self.close_connection = True

    def refuse(self, status, code):
        self.reply(status, f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>'.encode())

    def do_PUT(self):
        self.do_GET()

    def do_POST(self):
        self.do_GET()

    def do_DELETE(self):
        self.do_GET()

    def do_GET(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        bucket = self.server.bucket
        with bucket.lock:
            bucket.requests.append(self.path if self.command == "GET" else f"{self.command} {self.path}")
            fault = bucket.faults.pop(0) if bucket.faults else None
            is_held = len(bucket.requests) == bucket.held
        if is_held:
            bucket.released.wait()
        try:
            access, given, right = expected(self, bucket.secret)
        except (KeyError, ValueError) as e:
            return self.refuse(400, f"AuthorizationHeaderMalformed{e}")
        age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if access != bucket.access:
            return self.refuse(403, "InvalidAccessKeyId")
        if not hmac.compare_digest(given, right):
            return self.refuse(403, "SignatureDoesNotMatch")
        if abs(age.total_seconds() + bucket.skew_s) > 900:
            return self.refuse(403, "RequestTimeTooSkewed")
        if bucket.token is not None and self.headers["x-amz-security-token"] != bucket.token:
            bucket.when_expired()
            return self.refuse(400, "ExpiredToken")
        if fault in ("503", "500"):
            return self.refuse(int(fault), "SlowDown")
        if fault == "denied":
            return self.refuse(403, "AccessDenied")
        path, _, query = self.path.partition("?")
        name, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        if name != bucket.name:
            return self.refuse(404, "NoSuchBucket")
        if self.command != "GET":
            return self.change(bucket, key, dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), body)
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if "versions" in query:
            return self.get_versions(bucket, query["prefix"])
        return self.get_object(bucket, key, fault) if key else self.get_list(bucket, query, fault)

    def change(self, bucket, key, query, body):
        if hashlib.sha256(body).hexdigest() != self.headers["x-amz-content-sha256"]:
            return self.refuse(400, "XAmzContentSHA256Mismatch")
        upload = query.get("uploadId")
        with bucket.lock:
            if "uploads" in query:
                upload = f"u/+{len(bucket.uploads)}"
                bucket.uploads[upload] = {}
                return self.reply(200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode())
            if upload is not None and upload not in bucket.uploads:
                return self.refuse(404, "NoSuchUpload")
            if self.command == "PUT" and upload:
                bucket.uploads[upload][int(query["partNumber"])] = body
                return self.reply(200, headers={"ETag": f'"{etag(body)}"'})
            if self.command == "POST":
                parts = bucket.uploads.pop(upload)
                if body.count(b"<Part>") != len(parts):
                    return self.refuse(400, "InvalidPart")
                bucket.objects[key] = b"".join(parts[n] for n in sorted(parts))
                return self.reply(200, b"<CompleteMultipartUploadResult/>")
            if self.command == "DELETE":
                return self.remove(bucket, key, upload, query.get("versionId"))
            bucket.keep_version(key)
            bucket.objects[key] = body
            return self.reply(200, headers={"ETag": f'"{etag(body)}"'})

    def remove(self, bucket, key, upload, version):
        headers = {}
        if upload:
            bucket.uploads.pop(upload, None)
        elif version not in (None, "null"):
            bucket.versions[key].pop(int(version[1:]))
        elif version is None and bucket.keeps:
            bucket.keep_version(key)
            headers = {"x-amz-delete-marker": "true"}
        if not upload and version in (None, "null"):
            bucket.objects.pop(key, None)
        return self.reply(204, headers=headers)

    def get_versions(self, bucket, prefix):
        if not bucket.lists_versions:
            return self.refuse(403, "AccessDenied")
        with bucket.lock:
            found = [(k, "null") for k in bucket.objects if k.startswith(prefix)]
            found += [(k, f"v{i}") for k, all_of in bucket.versions.items() if k.startswith(prefix) for i in reversed(range(len(all_of)))]
        inside = "".join(f"<Version><Key>{escape(k)}</Key><VersionId>{v}</VersionId></Version>" for k, v in sorted(found, key=lambda f: (f[0], f[1] != 'null', f[1])[:2]))
        return self.reply(200, f"<ListVersionsResult><IsTruncated>false</IsTruncated>{inside}</ListVersionsResult>".encode())

    def get_list(self, bucket, query, fault):
        with bucket.lock:
            after = query.get("continuation-token") or query.get("start-after", "")
            keys = sorted(bucket.objects)
            start = max(bisect.bisect_right(keys, after), bisect.bisect_left(keys, query["prefix"]))
            found = itertools.takewhile(lambda k: k.startswith(query["prefix"]), itertools.islice(keys, start, start + bucket.page + 1))
            found = [(k, bucket.objects[k]) for k in found]
        page, more = found[:bucket.page], len(found) > bucket.page
        page = page[::-1] if bucket.falls else page
        inside = "".join(f"<Contents><Key>{escape(quote(k, '/-_.~'))}</Key><ETag>&quot;{etag(v)}&quot;</ETag><Size>{len(v)}</Size></Contents>" for k, v in page)
        body = (f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
                f"<IsTruncated>{str(more).lower()}</IsTruncated>" + (f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more else "") +
                f"{inside}</ListBucketResult>").encode()
        if fault == "malformed":
            body = body.replace(b"</IsTruncated>", b"</Truncated>")
        self.reply(200, body, cut=len(body) // 2 if fault == "cut" else None)

    def get_object(self, bucket, key, fault):
        with bucket.lock:
            if fault == "change":
                bucket.objects[key] += b"9,9\n"
            if fault == "remove":
                del bucket.objects[key]
            data = bucket.objects.get(key)
        if key in bucket.forbidden:
            return self.refuse(403, "AccessDenied")
        if data is None:
            return self.refuse(404, "NoSuchKey")
        if self.headers["If-Match"] not in (None, f'"{etag(data)}"'):
            return self.refuse(412, "PreconditionFailed")
        first, last = (int(n) for n in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = data[first:last + 1] if fault != "short" else data[first:last]
        bucket.sent += len(part)
        headers = {"ETag": f'"{etag(data)}"', "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"}
        return self.reply(206, part, headers, cut=len(part) // 2 if fault in ("cut", "stall") else None, stall=3 if fault == "stall" else 0)


def etag(data):
    return hashlib.md5(data).hexdigest()


class Bucket:
    """objects: key -> bytes. faults: one for each request to come: None, 503, 500, denied, cut, stall, short, change, remove, malformed.
    forbidden: keys that are listed and may not be read. falls: pages are listed from their end. keeps: old versions stay, in versions. token: of a
    session, when it is asked for; when_expired is called before another is refused."""

    def __init__(self, name="rows"):
        self.name, self.objects, self.faults, self.requests, self.uploads = name, {}, [], [], {}
        self.forbidden, self.falls = set(), False
        self.keeps, self.versions, self.lists_versions, self.token, self.when_expired = False, {}, True, None, lambda: None
        self.access, self.secret, self.page, self.skew_s, self.sent = "AKTEST", "se/cr+et=", 1000, 0, 0
        self.held, self.released = 0, threading.Event()
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.bucket = self
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def hold(self, number):
        """From now on, request number waits until release()."""
        self.requests, self.held, self.released = [], number, threading.Event()

    def release(self):
        """What is held is answered."""
        self.held = 0
        self.released.set()

    def keep_version(self, key):
        if self.keeps and key in self.objects:
            self.versions.setdefault(key, []).append(self.objects[key])

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def credentials(self, folder, name="s3.ini", **changed):
        values = {"aws_access_key_id": self.access, "aws_secret_access_key": self.secret, "region": REGION, "endpoint_url": self.endpoint, **changed}
        path = folder / name
        path.write_text("[default]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()), encoding="utf-8")
        path.chmod(0o600)
        return path

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
