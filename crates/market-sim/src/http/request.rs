//! Reading one request out of a buffer.

/// Longest request line and headers accepted.
const MAX_HEAD: usize = 32 * 1024;
/// Longest body accepted: a fault is a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;
const MAX_HEADERS: usize = 64;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    http_1_0: bool,
}

impl Request {
    /// The first header of that lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a header's comma-separated list contains `token`, whatever the case.
    pub(crate) fn header_has(&self, name: &str, token: &str) -> bool {
        self.header(name)
            .is_some_and(|list| list.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
    }

    /// Whether the client means to send another request on this connection.
    pub(crate) fn keep_alive(&self) -> bool {
        if self.http_1_0 {
            return self.header_has("connection", "keep-alive");
        }
        !self.header_has("connection", "close")
    }

    /// Values of a query parameter, in order, percent-decoded.
    pub(crate) fn query_values(&self, name: &str) -> Vec<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| percent_decode(key) == name)
            .map(|(_, value)| percent_decode(value))
            .collect()
    }
}

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    #[error("not an HTTP/1.1 request")]
    Malformed,
    #[error("request larger than this simulator accepts")]
    TooLarge,
    #[error("a chunked request body is not supported: send Content-Length")]
    Chunked,
}

/// The first request in `buffer` and how many bytes it took; `None` while it is incomplete.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<(Request, usize)>, ParseError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let head_len = match head.parse(buffer) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => {
            return Err(ParseError::TooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ParseError::Malformed),
    };
    let target = head.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: percent_decode(path),
        query: query.to_owned(),
        headers: head
            .headers
            .iter()
            .map(|h| {
                (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).trim().to_owned())
            })
            .collect(),
        body: Vec::new(),
        http_1_0: head.version == Some(0),
    };
    if request.header("transfer-encoding").is_some() {
        return Err(ParseError::Chunked);
    }
    let body_len = match request.header("content-length") {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| ParseError::Malformed)?,
    };
    if body_len > MAX_BODY {
        return Err(ParseError::TooLarge);
    }
    match buffer.get(head_len..head_len + body_len) {
        None => Ok(None),
        Some(body) => {
            request.body = body.to_vec();
            Ok(Some((request, head_len + body_len)))
        }
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'%').then(|| {
            let mut ahead = rest.clone();
            let high = char::from(ahead.next()?).to_digit(16)?;
            let low = char::from(ahead.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match escaped.flatten() {
            Some(decoded) => {
                bytes.push(decoded);
                rest.nth(1);
            }
            None => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_when_its_last_byte_is_there_and_not_before() {
        let text = b"POST /control/faults?a=1&product_ids=BTC%2DUSD&product_ids=E+F HTTP/1.1\r\n\
            Host: x\r\nContent-Length: 4\r\nConnection: Keep-Alive, Upgrade\r\n\r\nbodyNEXT";
        for cut in 0..text.len() - 4 {
            assert_eq!(parse(&text[..cut]), Ok(None), "cut at {cut}");
        }
        let (request, used) = parse(text).unwrap().unwrap();
        assert_eq!(used, text.len() - 4);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/control/faults"));
        assert_eq!(request.body, b"body");
        assert_eq!(request.query_values("product_ids"), ["BTC-USD", "E F"]);
        assert!(request.header_has("connection", "upgrade") && request.keep_alive());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(parse(b"\x16\x03\x01 TLS hello\r\n\r\n"), Err(ParseError::Malformed));
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(parse(chunked), Err(ParseError::Chunked));
        let large = b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n";
        assert_eq!(parse(large), Err(ParseError::TooLarge));
    }
}
