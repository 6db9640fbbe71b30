//! A directory of files: GET and HEAD, decided first and then sent.
