#include "http/http_private.h"

str http_reason(int code)
{
    switch (code) {
    case 200:
        return STR("OK");
    case 201:
        return STR("Created");
    case 202:
        return STR("Accepted");
    case 204:
        return STR("No Content");
    case 304:
        return STR("Not Modified");
    case 400:
        return STR("Bad Request");
    case 404:
        return STR("Not Found");
    case 405:
        return STR("Method Not Allowed");
    case 406:
        return STR("Not Acceptable");
    case 408:
        return STR("Request Timeout");
    case 409:
        return STR("Conflict");
    case 411:
        return STR("Length Required");
    case 413:
        return STR("Content Too Large");
    case 414:
        return STR("URI Too Long");
    case 415:
        return STR("Unsupported Media Type");
    case 417:
        return STR("Expectation Failed");
    case 422:
        return STR("Unprocessable Content");
    case 429:
        return STR("Too Many Requests");
    case 431:
        return STR("Request Header Fields Too Large");
    case 500:
        return STR("Internal Server Error");
    case 501:
        return STR("Not Implemented");
    case 503:
        return STR("Service Unavailable");
    case 505:
        return STR("HTTP Version Not Supported");
    default:
        return STR("Status");
    }
}
