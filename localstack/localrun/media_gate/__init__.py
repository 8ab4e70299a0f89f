"""What CloudFront's key group and viewer-request function decide, for the edge nginx: may this request have this object?"""
